//! Tests of the structure of the source: rules on which readers rely and which no compiler checks.
//!
//! Each rule is a function over source texts, with tests that plant violations beside it. `cargo
//! test --test structure` reports where each violation is, and how to mend it.

mod circles;
mod layers;
mod names;
mod sizes;
mod test_only;
mod tree;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tree::{Crate, Sources};

/// The folders of the packages, and all folders with Rust files.
const PACKAGES: [&str; 2] = ["src", "loadgen/src"];
const FOLDERS: [&str; 6] = ["benches", "examples", "flamegraphs", "loadgen", "src", "tests"];

/// Exceptions: a rule, the place that may break it, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// A violation. `rule` and `place` identify it in the list of exceptions; `what` tells how to mend
/// it.
struct Fault {
    rule: &'static str,
    place: String,
    what: String,
}

#[test]
fn the_source_keeps_the_rules() {
    let sources = sources();
    let found: BTreeMap<String, String> = faults(&sources)
        .into_iter()
        .map(|fault| (format!("{}: {}", fault.rule, fault.place), fault.what))
        .collect();
    let exceptions: BTreeSet<_> =
        EXCEPTIONS.iter().map(|(rule, place, _)| format!("{rule}: {place}")).collect();
    let mut said = String::new();
    for (name, what) in &found {
        if !exceptions.contains(name) {
            said += &format!("\n{name}{what}\n");
        }
    }
    for gone in exceptions.iter().filter(|name| !found.contains_key(*name)) {
        said += &format!("\n{gone}\n    It is mended: it is no exception any more.\n");
    }
    assert!(said.is_empty(), "{said}");
}

/// Applies all rules, except that of the layers, to the files of the repository.
fn faults(sources: &Sources) -> Vec<Fault> {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut faults = ways::told(&architecture, sources);
    let lines = sources.iter().filter_map(|(file, text)| sizes::lines(file, text));
    faults.extend(lines);
    for folder in PACKAGES {
        let crates: BTreeMap<_, _> = roots(sources, folder)
            .into_iter()
            .map(|root| (root.clone(), Crate::read(sources, &root)))
            .collect();
        for tree in crates.values() {
            faults.extend(circles::of_files(tree));
            faults.extend(circles::of_folders(tree));
            faults.extend(sizes::functions(tree));
        }
        faults.extend(unreached(sources, folder, &crates));
        // Each file in `bin` is a crate of its own.
        let bin = format!("{folder}/bin/");
        let (alone, together): (Vec<_>, Vec<_>) =
            crates.iter().partition(|(root, _)| root.starts_with(&bin));
        let together: Vec<_> = together.into_iter().map(|(_, tree)| tree).collect();
        faults.extend(names::of_types(&together));
        for (_, tree) in alone {
            faults.extend(names::of_types(&[tree]));
        }
        for (root, tree) in &crates {
            faults.extend(test_only::modules(tree, &named_outside(sources, root)));
        }
    }
    faults
}

/// Returns the files of a package that no module declares, not even for tests, so that `rustc`
/// never compiles them.
fn unreached(sources: &Sources, folder: &str, crates: &BTreeMap<String, Crate>) -> Vec<Fault> {
    let reached: BTreeSet<_> = crates.values().flat_map(Crate::files).collect();
    sources
        .keys()
        .filter(|file| file.starts_with(&format!("{folder}/")) && !reached.contains(&***file))
        .map(|file| Fault {
            rule: "file of no module",
            place: file.clone(),
            what: "\n    No `mod` declares it: declare it or delete it.".to_owned(),
        })
        .collect()
}

#[test]
fn a_file_of_no_module_is_found() {
    let files = [
        ("src/lib.rs", "mod a; #[cfg(test)] mod tests;"),
        ("src/a.rs", "#[cfg(test)] mod tests { mod deep; }"),
        ("src/a/tests/deep.rs", ""),
        ("src/b.rs", ""),
        ("src/tests.rs", ""),
    ];
    let sources = files.map(|(file, text)| (file.to_owned(), text.to_owned())).into();
    let crates = BTreeMap::from([("src/lib.rs".to_owned(), Crate::read(&sources, "src/lib.rs"))]);
    let found = unreached(&sources, "src", &crates);
    assert_eq!(found.iter().map(|fault| &*fault.place).collect::<Vec<_>>(), ["src/b.rs"]);
}

/// Returns the root files of the crates in a package's folder.
fn roots(sources: &Sources, folder: &str) -> Vec<String> {
    let is_root = |file: &&String| {
        let path = file.strip_prefix(folder).unwrap_or_default();
        let parts: Vec<_> = path.split('/').collect();
        matches!(*parts, ["", "lib.rs" | "main.rs"] | ["", "bin", _] | ["", "bin", _, "main.rs"])
    };
    sources.keys().filter(is_root).cloned().collect()
}

/// Returns what the other programs of the workspace use of the library, as paths from its root.
fn named_outside(sources: &Sources, root: &str) -> Vec<tree::Path> {
    if root != "src/lib.rs" {
        return Vec::new();
    }
    let others = PACKAGES.iter().flat_map(|folder| roots(sources, folder));
    let mut named = Vec::new();
    for other in others.filter(|other| other != root) {
        for module in Crate::read(sources, &other).modules {
            for mut path in module.uses.into_iter().filter(|path| path[0] == "fanfare") {
                path[0] = "crate".to_owned();
                named.push(path);
            }
        }
    }
    named
}

/// Makes a crate of these files.
fn planted(files: &[(&str, &str)]) -> Crate {
    let sources = files.iter().map(|(file, text)| (file.to_string(), text.to_string())).collect();
    Crate::read(&sources, files[0].0)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all Rust files of the repository with their texts.
fn sources() -> Sources {
    let mut sources = Sources::new();
    for folder in FOLDERS {
        read_folder(folder, &mut sources);
    }
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn read_folder(folder: &str, sources: &mut Sources) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return };
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if root().join(&path).is_dir() && name != "target" {
            read_folder(&path, sources);
        } else if name.ends_with(".rs") {
            sources.insert(path.clone(), fs::read_to_string(root().join(&path)).unwrap());
        }
    }
}
