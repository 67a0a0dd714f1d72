//! The rule that imports form no circle, neither between files nor between the entries (files and
//! folders) of one folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::Fault;
use crate::tree::Crate;

/// A graph: for each node the nodes that it imports from, each with an imported name.
type Graph<'t> = BTreeMap<&'t str, BTreeMap<&'t str, String>>;

/// Returns the files that import each other, directly or through others.
pub(crate) fn of_files(tree: &Crate) -> Vec<Fault> {
    faults("circle of files", &tree.imports())
}

/// Returns the entries of one folder (its files and folders) that import each other.
pub(crate) fn of_folders(tree: &Crate) -> Vec<Fault> {
    let imports = tree.imports();
    let mut folders: BTreeMap<&str, Graph<'_>> = BTreeMap::new();
    for (from, targets) in &imports {
        for (to, name) in targets {
            let common = common_folder(from, to);
            let (from, to) = (entry(from, common), entry(to, common));
            if from != to {
                let graph = folders.entry(&from[..common]).or_default();
                graph.entry(to).or_default();
                graph.entry(from).or_default().entry(to).or_insert(name.clone());
            }
        }
    }
    let mut found: Vec<_> =
        folders.values().flat_map(|graph| faults("circle of a folder", graph)).collect();
    // Circles of single files have been reported by the first rule already.
    let in_circles: BTreeSet<_> = of_files(tree).into_iter().map(|fault| fault.place).collect();
    found.retain(|fault| !in_circles.contains(&format!("{}.rs", fault.place)));
    found
}

/// Returns the length of the path of the innermost folder that contains both files, with its slash.
fn common_folder(one: &str, other: &str) -> usize {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    one[..same].rfind('/').map_or(0, |slash| slash + 1)
}

/// Returns the entry of that folder in which the file is. The module `a` is one entry, whether its
/// code is in `a.rs`, in the folder `a` or in both.
fn entry(file: &str, folder: usize) -> &str {
    let end = file[folder..].find(['/', '.']).map_or(file.len(), |at| folder + at);
    &file[..end]
}

/// Returns one fault for each node that lies in a circle, with the shortest circle through it.
fn faults(rule: &'static str, graph: &Graph<'_>) -> Vec<Fault> {
    let through = |start: &str| shortest_circle(graph, start);
    graph
        .keys()
        .filter_map(|start| {
            let circle = through(start)?;
            let mut what = String::new();
            for (from, to) in circle.iter().zip(&circle[1..]) {
                what += &format!("\n    {from} names {} of {to}", graph[from][to]);
            }
            what += "\n    Move what both need to a file below them, or pass it as an argument.";
            Some(Fault { rule, place: (*start).to_owned(), what })
        })
        .collect()
}

/// Searches from a node along the imports, breadth first, until it comes back to that node.
fn shortest_circle<'t>(graph: &Graph<'t>, start: &str) -> Option<Vec<&'t str>> {
    let (&start, _) = graph.get_key_value(start)?;
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for &next in graph.get(way[way.len() - 1]).into_iter().flat_map(BTreeMap::keys) {
                let mut way = way.clone();
                way.push(next);
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn circles_are_found() {
    for (files, circle) in [
        (
            [
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "use crate::b::B; pub struct A;"),
                ("src/b.rs", "pub struct B; fn f(_: &crate::a::A) {}"),
            ]
            .as_slice(),
            "src/a.rs src/b.rs",
        ),
        // A circle through a re-export, a glob import, and a name inside a macro's arguments.
        (
            &[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a/mod.rs", "mod one; mod two; pub use one::*;"),
                ("src/a/one.rs", "pub struct One; fn f() { assert!(super::two::is_it()); }"),
                ("src/a/two.rs", "use crate::b::Name; pub fn is_it() -> bool { true }"),
                ("src/b.rs", "pub use crate::a::One as Name;"),
            ],
            "src/a/one.rs src/a/two.rs",
        ),
        // A module that shares its name with a function.
        (
            &[
                ("src/lib.rs", "mod a; mod run; use a::A; fn run(_: A) {}"),
                ("src/a.rs", "use crate::run::{self, Run}; pub struct A(Run, run::Run);"),
                ("src/run.rs", "pub struct Run;"),
            ],
            "",
        ),
        // A `mod.rs` and a file below it.
        (
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a/mod.rs", "mod one; use one::One; pub struct A(One);"),
                ("src/a/one.rs", "pub struct One; impl super::A {}"),
            ],
            "src/a/mod.rs src/a/one.rs",
        ),
        // `mod.rs` re-exports a name of a file below it, and the file imports a name of `mod.rs`.
        (
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a/mod.rs", "mod one; pub use one::One; pub struct A(One);"),
                ("src/a/one.rs", "use super::A; pub struct One(Box<A>);"),
            ],
            "src/a/mod.rs src/a/one.rs",
        ),
    ] {
        let found = of_files(&crate::planted(files));
        let places: Vec<_> = found.iter().map(|fault| &*fault.place).collect();
        assert_eq!(places.join(" "), circle);
    }
}

#[test]
fn circles_of_a_folder_are_found() {
    let tree = crate::planted(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a/mod.rs", "mod one; pub mod two;"),
        ("src/a/one.rs", "use crate::b::B;"),
        ("src/a/two.rs", "pub struct Two;"),
        ("src/b.rs", "pub struct B(crate::a::two::Two);"),
    ]);
    assert_eq!(of_files(&tree).len(), 0);
    let found = of_folders(&tree);
    let places: Vec<_> = found.iter().map(|fault| &*fault.place).collect();
    assert_eq!(places, ["src/a", "src/b"]);
}

#[test]
fn what_is_no_circle_is_not_found() {
    let tree = crate::planted(&[
        ("src/lib.rs", "mod a; pub use a::One;"),
        ("src/a/naive.rs", "use super::Top;"),
        ("src/a/tests.rs", "use super::One;"),
        (
            "src/a/mod.rs",
            "mod one; mod two; pub use one::One; pub(crate) use two::*; pub struct Top;
             #[cfg(test)] mod tests; #[cfg(any(test, fuzzing))] mod naive;",
        ),
        (
            "src/a/one.rs",
            "use super::Two; pub struct One { #[cfg(test)] top: super::Top }
             #[cfg(test)] mod tests { use super::super::Top; }",
        ),
        (
            "src/a/two.rs",
            "pub struct Two; impl Two { pub(in crate::a) fn f(&self) {}
             #[cfg(test)] fn g(_: &super::One) {} }",
        ),
    ]);
    assert_eq!(of_files(&tree).len(), 0);
    assert_eq!(of_folders(&tree).len(), 0);
}
