//! Searches a channel name that some patterns cover and others do not. So it is decided exactly
//! whether a rule for channels can ever count, and whether two rules meet.
//!
//! Names are built character by character, the shortest first. What matters of the beginning of a
//! name is only how far each pattern has come with it. So the search goes through these states, of
//! which there are few, instead of the names, and it ends.

use std::collections::{BTreeSet, HashMap};

use crate::hub::CHANNEL_NAME_BYTES_MAX;

use super::channel_pattern::{ChannelPattern, Symbol};

/// The most states that one search looks at. Patterns that somebody would write need some hundreds.
const STATES_MAX: usize = 50_000;
/// The most steps of all searches for one set of rules: about a second. A step is to add one way of
/// a state, or to compare it with one that was seen.
const STEPS_MAX: usize = 10_000_000;

/// How many steps several searches may still do together.
pub(crate) struct Effort {
    steps: usize,
}

impl Effort {
    pub(crate) fn new() -> Effort {
        Effort { steps: STEPS_MAX }
    }

    fn spend(&mut self, steps: usize) {
        self.steps = self.steps.saturating_sub(steps);
    }
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameFound {
    /// A name, one of the shortest.
    Name(String),
    /// There is no such name.
    Nothing,
    /// The patterns are so entangled that the search was given up, or the effort is spent.
    Unknown,
}

/// Searches a name that all patterns of `inside` cover, and none of `outside`.
pub(crate) fn find_name(
    inside: &[&ChannelPattern],
    outside: &[&ChannelPattern],
    effort: &mut Effort,
) -> NameFound {
    if effort.steps == 0 {
        return NameFound::Unknown;
    }
    let symbols = |patterns: &[&ChannelPattern]| -> Vec<Vec<Symbol>> {
        patterns.iter().map(|pattern| pattern.symbols()).collect()
    };
    let (inside, outside) = (symbols(inside), symbols(outside));
    effort.spend(inside.iter().chain(&outside).map(Vec::len).sum());
    let alphabet = alphabet(inside.iter().chain(&outside).flatten());
    let mut search = Search {
        inside,
        outside,
        alphabet,
        states: Vec::new(),
        by_bytes: vec![Vec::new(); CHANNEL_NAME_BYTES_MAX + 1],
        seen: HashMap::new(),
    };
    search.run(effort)
}

/// How far each pattern has come with the beginning of a name.
#[derive(Clone)]
struct State {
    /// For each pattern of `inside`, how many of its symbols have been used. Where a name can be
    /// read in several ways, there is a state for each.
    inside: Vec<usize>,
    /// For the patterns of `outside`, all ways at once: pairs of a pattern and of how many symbols
    /// have been used.
    outside: BTreeSet<(usize, usize)>,
    /// The last character, and the state before it.
    last: Option<(char, usize)>,
}

struct Search {
    inside: Vec<Vec<Symbol>>,
    outside: Vec<Vec<Symbol>>,
    /// Every character that a pattern names, and one that stands for all others.
    alphabet: Vec<char>,
    states: Vec<State>,
    /// The states by how many bytes the name has so far.
    by_bytes: Vec<Vec<usize>>,
    /// What was seen: the ways of `outside`, by those of `inside`.
    seen: HashMap<Vec<usize>, Vec<BTreeSet<(usize, usize)>>>,
}

impl Search {
    fn run(&mut self, effort: &mut Effort) -> NameFound {
        let start = State {
            inside: vec![0; self.inside.len()],
            outside: (0..self.outside.len()).map(|pattern| (pattern, 0)).collect(),
            last: None,
        };
        self.states.push(start);
        self.by_bytes[0].push(0);
        for bytes in 0..self.by_bytes.len() {
            for index in std::mem::take(&mut self.by_bytes[bytes]) {
                if self.is_seen(index, effort) {
                    continue;
                }
                self.note_seen(index);
                if self.is_found(index) {
                    return NameFound::Name(self.name(index));
                }
                for one in self.next_characters(index) {
                    let bytes = bytes + one.len_utf8();
                    if bytes <= CHANNEL_NAME_BYTES_MAX {
                        self.read(index, one, bytes, effort);
                    }
                }
                if self.states.len() > STATES_MAX || effort.steps == 0 {
                    return NameFound::Unknown;
                }
            }
        }
        NameFound::Nothing
    }

    fn is_found(&self, index: usize) -> bool {
        let State { inside, outside, last } = &self.states[index];
        last.is_some()
            && inside.iter().zip(&self.inside).all(|(used, symbols)| *used == symbols.len())
            && outside.iter().all(|(pattern, used)| *used < self.outside[*pattern].len())
    }

    /// Returns the characters that may follow: only one if a pattern of `inside` says which.
    fn next_characters(&self, index: usize) -> Vec<char> {
        let state = &self.states[index];
        for (used, symbols) in state.inside.iter().zip(&self.inside) {
            let repeats = used.checked_sub(1).is_some_and(|last| symbols[last].repeats());
            if let (false, Some(Symbol::Char(only))) = (repeats, symbols.get(*used)) {
                return self.alphabet.iter().copied().filter(|one| one == only).collect();
            }
        }
        self.alphabet.clone()
    }

    /// Adds the states that follow a state by one character.
    fn read(&mut self, index: usize, one: char, bytes: usize, effort: &mut Effort) {
        let state = &self.states[index];
        effort.spend(1 + state.outside.len());
        // Names that begin with `-/` are reserved.
        let is_reserved = one == '/'
            && state
                .last
                .is_some_and(|(last, before)| last == '-' && self.states[before].last.is_none());
        if is_reserved {
            return;
        }
        let mut outside = BTreeSet::new();
        for (pattern, used) in &state.outside {
            let symbols = &self.outside[*pattern];
            outside.extend(ways(symbols, *used, one).map(|used| (*pattern, used)));
        }
        if self.outside.iter().enumerate().any(|(pattern, symbols)| {
            // This pattern covers the name, however it goes on.
            symbols.last() == Some(&Symbol::Any) && outside.contains(&(pattern, symbols.len()))
        }) {
            return;
        }
        for (pattern, symbols) in self.outside.iter().enumerate() {
            drop_what_others_include(&mut outside, pattern, symbols);
        }
        let mut all = vec![Vec::new()];
        for (used, symbols) in state.inside.iter().zip(&self.inside) {
            let with = |so_far: Vec<usize>| {
                ways(symbols, *used, one).map(move |next| [&so_far[..], &[next]].concat())
            };
            all = all.into_iter().flat_map(with).collect();
        }
        for inside in all {
            let next = self.states.len();
            self.states.push(State { inside, outside: outside.clone(), last: Some((one, index)) });
            match self.is_seen(next, effort) {
                true => drop(self.states.pop()),
                false => self.by_bytes[bytes].push(next),
            }
        }
    }

    /// Returns true if a state was looked at that finds whatever this one finds: with the same ways
    /// of `inside`, no further ways of `outside`, and a name that is no longer.
    fn is_seen(&self, index: usize, effort: &mut Effort) -> bool {
        let state = &self.states[index];
        let seen = self.seen.get(&state.inside).map_or(&[][..], Vec::as_slice);
        effort.spend((1 + seen.len()) * (1 + state.outside.len()));
        !self.is_dash(index) && seen.iter().any(|one| one.is_subset(&state.outside))
    }

    fn note_seen(&mut self, index: usize) {
        if !self.is_dash(index) {
            let State { inside, outside, last: _ } = &self.states[index];
            self.seen.entry(inside.clone()).or_default().push(outside.clone());
        }
    }

    /// Returns true for the name of one `-`, which is a case of its own: no `/` may follow it.
    fn is_dash(&self, index: usize) -> bool {
        self.states[index].last.is_some_and(|(one, before)| one == '-' && before == 0)
    }

    fn name(&self, index: usize) -> String {
        let mut name = Vec::new();
        let mut last = self.states[index].last;
        while let Some((one, before)) = last {
            name.push(one);
            last = self.states[before].last;
        }
        name.into_iter().rev().collect()
    }
}

/// Returns how many symbols of a pattern may have been used after one more character.
fn ways(symbols: &[Symbol], used: usize, one: char) -> impl Iterator<Item = usize> {
    let goes_on = symbols.get(used).is_some_and(|next| next.takes(one));
    let stays = used.checked_sub(1).map(|last| symbols[last]);
    let stays = stays.is_some_and(|last| last.repeats() && last.takes(one));
    stays.then_some(used).into_iter().chain(goes_on.then_some(used + 1))
}

/// Drops each way that has used fewer symbols than one which can take whatever it can take: one
/// that stands at a star, if the symbols in between take nothing that the star does not.
fn drop_what_others_include(
    ways: &mut BTreeSet<(usize, usize)>,
    pattern: usize,
    symbols: &[Symbol],
) {
    let own: Vec<usize> =
        ways.range((pattern, 0)..=(pattern, symbols.len())).map(|(_, used)| *used).collect();
    for star in own.iter().copied().filter(|used| *used > 0 && symbols[used - 1].repeats()) {
        let is_included = |used: usize| {
            let passes = &symbols[used.saturating_sub(1)..star];
            symbols[star - 1] == Symbol::Any
                || passes.iter().all(|one| !matches!(one, Symbol::Any | Symbol::Char('/')))
        };
        for used in own.iter().copied().filter(|used| *used < star && is_included(*used)) {
            ways.remove(&(pattern, used));
        }
    }
}

/// Returns the characters to try: a name has no control characters, and no pattern can tell those
/// apart that none names.
fn alphabet<'s>(symbols: impl Iterator<Item = &'s Symbol>) -> Vec<char> {
    let mut all = BTreeSet::from(['-', '/']);
    all.extend(symbols.filter_map(|symbol| match symbol {
        Symbol::Char(one) => Some(*one),
        Symbol::InSegment | Symbol::Any => None,
    }));
    let mut others = ('x'..='z').chain('a'..).filter(|one| !all.contains(one));
    let other = others.find(|one| !one.is_control());
    all.extend(other);
    all.into_iter().filter(|one| !one.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::hub::ChannelName;

    fn pattern(text: &str) -> ChannelPattern {
        text.parse().unwrap()
    }

    fn found(inside: &[&str], outside: &[&str]) -> NameFound {
        let [inside, outside] = [inside, outside]
            .map(|texts| texts.iter().map(|text| pattern(text)).collect::<Vec<_>>());
        let [inside, outside] = [&inside, &outside].map(|all| all.iter().collect::<Vec<_>>());
        find_name(&inside, &outside, &mut Effort::new())
    }

    #[test]
    fn patterns_cover_each_other_exactly_as_their_names_do() {
        for (inside, outside) in [
            ("a", "a"),
            ("chat/1", "chat/*"),
            ("chat/*", "chat/**"),
            ("*", "**"),
            ("*/*", "**"),
            ("a*b*c", "a*c"),
            ("a**b*c", "a**c"),
            ("*a*a", "*a"),
            ("**/**/x", "**/x"),
            ("caf\u{e9}/*", "*/*"),
        ] {
            assert_eq!(found(&[inside], &[outside]), NameFound::Nothing, "{inside} by {outside}");
        }
        for (inside, outside, name) in [
            ("chat/**", "chat/*", "chat//"),
            ("**", "*", "/"),
            ("*", "*a", "-"),
            ("a*", "a", "a-"),
            ("a*c", "a*b*c", "a-c"),
            ("*", "caf\u{e9}", "-"),
        ] {
            let expected = NameFound::Name(name.to_owned());
            assert_eq!(found(&[inside], &[outside]), expected, "{inside} by {outside}");
        }
    }

    #[test]
    fn several_patterns_may_cover_a_pattern_together() {
        assert_eq!(found(&["**"], &["*", "/**", "**/", "**/**"]), NameFound::Name("/".to_owned()));
        assert_eq!(found(&["**"], &["*", "/", "/**", "**/", "**/**"]), NameFound::Nothing);
        assert_eq!(found(&["a/**"], &["a/*", "a/**/*"]), NameFound::Name("a//".to_owned()));
        assert_eq!(found(&["chat/*", "*/1"], &[]), NameFound::Name("chat/1".to_owned()));
        assert_eq!(found(&["chat/*", "*/1"], &["chat/1"]), NameFound::Nothing);
        assert_eq!(found(&["chat/*", "news/*"], &[]), NameFound::Nothing);
    }

    #[test]
    fn names_that_no_channel_can_have_are_not_found() {
        for inside in ["-/x", "-/**", "a\u{7}", "\n*"] {
            assert_eq!(found(&[inside], &[]), NameFound::Nothing, "{inside:?}");
        }
        let longest = "\u{e9}*".repeat(85);
        assert!(matches!(found(&[&longest], &[]), NameFound::Name(name) if name.len() == 255));
    }

    /// For an algorithm that follows every set of ways, these have a billion states or more.
    #[test]
    fn no_patterns_take_long() {
        let deep = format!("**/a{}", "/*".repeat(60));
        assert_eq!(found(&[&deep], &[&deep]), NameFound::Nothing);
        assert!(matches!(found(&["**"], &[&deep]), NameFound::Name(_)));
        let stars = "*a".repeat(100);
        assert_eq!(found(&[&stars], &[&stars]), NameFound::Nothing);
        let all = ["**/a/*/*/*/*", "**/*/a/*/*/*", "**/*/*/a/*/*", "**/*/*/*/a/*", "**/*/*/*/*/a"];
        found(&["**/a/a/**"], &all);
    }

    #[test]
    fn all_searches_together_end_when_their_effort_is_spent() {
        let (all, entangled) = (pattern("**"), [pattern("**ab**cd**1"), pattern("**cd**ab**2")]);
        let outside: Vec<_> = entangled.iter().collect();
        let mut effort = Effort { steps: 10_000 };
        let mut searches = 1;
        while find_name(&[&entangled[0]], &[&entangled[1]], &mut effort) != NameFound::Unknown {
            searches += 1;
        }
        assert!((2..10_000).contains(&searches), "{searches} searches");
        assert_eq!(find_name(&[&all], &outside, &mut effort), NameFound::Unknown);
    }

    const CHARACTERS_MAX: usize = 5;

    /// Returns every name of at most `CHARACTERS_MAX` characters, reserved ones left out.
    fn names() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut begin = 0;
        for _ in 0..CHARACTERS_MAX {
            let end = all.len();
            for index in begin..end {
                all.extend(["a", "b", "/", "-", "x"].map(|one| format!("{}{one}", all[index])));
            }
            begin = end;
        }
        all.retain(|name| ChannelName::parse(name).is_ok() && !name.starts_with("-/"));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        /// The naive twin tries all short names.
        #[test]
        fn a_name_is_found_if_and_only_if_the_naive_twin_finds_one(
            inside in prop::collection::vec("(\\*{0,2}[ab/-]){0,2}(\\*|\\*\\*|a)", 1..3),
            outside in prop::collection::vec("(\\*{0,2}[ab/-]){0,2}(\\*|\\*\\*|a)", 0..4),
        ) {
            static NAMES: LazyLock<Vec<String>> = LazyLock::new(names);
            let [inside, outside] = [&inside, &outside]
                .map(|texts| texts.iter().map(|text| pattern(text)).collect::<Vec<_>>());
            let is_it = |name: &str| {
                inside.iter().all(|one| one.matches(name))
                    && !outside.iter().any(|one| one.matches(name))
            };
            let naive = NAMES.iter().find(|name| is_it(name));
            let [covering, others] = [&inside, &outside].map(|all| all.iter().collect::<Vec<_>>());
            match find_name(&covering, &others, &mut Effort::new()) {
                NameFound::Name(name) => {
                    prop_assert!(ChannelName::parse(&name).is_ok() && is_it(&name), "{}", name);
                    let longer = CHARACTERS_MAX + 1;
                    let shortest = naive.map_or(longer, String::len);
                    prop_assert_eq!(name.len().min(longer), shortest, "{}", name);
                }
                NameFound::Nothing => prop_assert_eq!(naive, None),
                NameFound::Unknown => prop_assert!(false, "given up"),
            }
        }
    }
}
