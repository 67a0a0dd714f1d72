//! The rule that the ways through the code, as ARCHITECTURE.md tells them, are there: each file of
//! a way exists, and calls a function of one that is named before it, or is called by one. So
//! whoever opens the files in this order can follow the calls.

use std::collections::BTreeSet;

use crate::Fault;
use crate::tree::Sources;

/// The heading above the table of the ways.
const HEADING: &str = "### Four ways, file by file";

/// The most files that have to be opened to follow a published message, and the 101 that is held.
const FILES_MAX: [(&str, usize); 2] = [("a WebSocket publish", 10), ("the 101 that is held", 4)];

/// Names of functions that so many types have that a call says nothing.
const COMMON: [&str; 8] = ["new", "len", "get", "is_empty", "next", "push", "take", "iter"];

/// Returns what is wrong with the table in this text of ARCHITECTURE.md.
pub(crate) fn told(architecture: &str, sources: &Sources) -> Vec<Fault> {
    let table = architecture.split_once(HEADING).map_or("", |(_, rest)| rest);
    let rows = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).skip(2).collect();
    let mut faults = Vec::new();
    if rows.len() < 4 {
        faults.push(fault("ARCHITECTURE.md", &format!("there is no table below {HEADING}")));
    }
    for row in rows {
        faults.extend(of_row(row, sources));
    }
    faults
}

fn of_row(row: &str, sources: &Sources) -> Vec<Fault> {
    let name = row.split('|').nth(1).unwrap_or_default().trim().replace(['*', '`'], "");
    let mut faults = Vec::new();
    let mut before: Vec<&str> = Vec::new();
    for file in files(row) {
        let paths = [format!("src/{file}.rs"), format!("src/reactor/{file}.rs")];
        let Some(text) = paths.iter().find_map(|path| sources.get(path)) else {
            faults.push(fault(&name, &format!("there is no file {file}")));
            continue;
        };
        if !before.is_empty() && !before.iter().any(|other| are_linked(other, text)) {
            faults
                .push(fault(&name, &format!("no file before {file} calls it, or is called by it")));
        }
        before.push(text);
    }
    let opened = before.iter().collect::<BTreeSet<_>>().len();
    let most = FILES_MAX.iter().find(|(way, _)| *way == name).map(|(_, most)| *most);
    if most.is_some_and(|most| opened > most) {
        faults.push(fault(&name, &format!("it leads through {opened} files")));
    }
    faults
}

fn fault(place: &str, what: &str) -> Fault {
    Fault {
        rule: "way of ARCHITECTURE.md",
        place: place.to_owned(),
        what: format!("\n    {what}: mend the table or the code."),
    }
}

/// Returns the files that a row names in order. What is in parentheses is said beside the way.
fn files(row: &str) -> Vec<String> {
    let mut depth = 0;
    let is_outside = |char: &char| {
        depth += i32::from(*char == '(') - i32::from(*char == ')');
        depth == 0
    };
    let outside: String = row.chars().filter(is_outside).collect();
    let way = outside.splitn(3, '|').nth(2).unwrap_or_default();
    way.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns true if one of two files calls a function of the other.
fn are_linked(one: &str, other: &str) -> bool {
    let [(of_one, by_one), (of_other, by_other)] = [one, other].map(functions);
    !by_one.is_disjoint(&of_other) || !by_other.is_disjoint(&of_one)
}

/// Returns the names of the functions that a file defines, and of those that it calls, tests apart.
fn functions(text: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let (mut defined, mut called) = (BTreeSet::new(), BTreeSet::new());
    let is_of_name = |char: char| char.is_alphanumeric() || char == '_';
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices(['(', '<', ':']) {
            let before = &line[..at];
            let start = before.rfind(|char| !is_of_name(char)).map_or(0, |last| last + 1);
            let name = &before[start..];
            if name.is_empty() || COMMON.contains(&name) {
                continue;
            }
            match before[..start].ends_with("fn ") {
                true => defined.insert(name),
                false => line[at..].starts_with('(') && called.insert(name),
            };
        }
    }
    (defined, called)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: [(&str, &str); 3] = [
        ("src/reactor/read.rs", "fn read() { decode(); }"),
        ("src/protocol/decoder.rs", "fn decode<T>() {}\n#[cfg(test)]\nmod tests { lonely(); }"),
        ("src/hub/log.rs", "fn lonely() {} // decode()"),
    ];

    fn found(way: &str) -> usize {
        let sources = CODE.map(|(file, text)| (file.to_owned(), text.to_owned())).into();
        let row = format!("| **a WebSocket publish** | {way} |");
        of_row(&row, &sources).len()
    }

    #[test]
    fn a_way_that_is_not_there_is_found() {
        assert_eq!(found("`read` (one `recv`) → `protocol/decoder`"), 0);
        assert_eq!(found("`protocol/decoder` → `read`"), 0);
        assert_eq!(found("`read` → `hub/log`"), 1, "nothing is called");
        assert_eq!(found("`read` → `protocol/encoder`"), 1, "there is no such file");
    }

    #[test]
    fn a_way_that_is_too_long_is_found() {
        let chain = |files: usize| {
            let code = (0..files)
                .map(|at| (format!("src/f{at}.rs"), format!("fn f{at}x() {{ f{}x(); }}", at + 1)));
            let way: Vec<_> = (0..files).map(|at| format!("`f{at}`")).collect();
            let row = format!("| **a WebSocket publish** | {} |", way.join(" → "));
            of_row(&row, &code.collect()).len()
        };
        assert_eq!((chain(10), chain(11)), (0, 1));
    }

    #[test]
    fn a_text_without_the_table_is_a_fault() {
        assert_eq!(told("# Architecture\n", &Sources::new()).len(), 1);
    }
}
