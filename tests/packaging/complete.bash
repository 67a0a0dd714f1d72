# Called by run.sh: bash with the completions of the command, as if somebody pressed the tab key.
. "$1"

# complete_at WORD… : what is offered for the last word.
complete_at() {
  COMP_WORDS=(fanfare "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _fanfare fanfare "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  printf '%s ' "${COMPREPLY[@]}"
}

set -e
[[ " $(complete_at '') " == *" serve "* ]]
[[ " $(complete_at he) " == *" healthcheck "* ]]
[[ " $(complete_at serve --max-conn) " == *" --max-connections "* ]]
[[ " $(complete_at serve --slow-policy '') " == *" disconnect "* ]]
