//! The rule that the product contains no module which only tests use.

use std::collections::BTreeSet;

use crate::Fault;
use crate::tree::{Crate, Module, Path, Place};

/// Returns the modules that are compiled for the product although nothing in it needs them.
///
/// A module is needed if users can name something of it: the public names of the crate's root and
/// of its public modules, unless they are hidden from the documentation, and what other programs of
/// the workspace name (`from_outside`: paths that begin with `crate`). Also needed is every module
/// from which a needed module imports, and every module that implements methods of a needed
/// module's type.
pub(crate) fn modules(tree: &Crate, from_outside: &[Path]) -> Vec<Fault> {
    let mut needed = BTreeSet::from([0]);
    let mut exporters = BTreeSet::from([0]);
    for path in from_outside {
        needed.extend(tree.resolve(0, path).into_iter().map(module_of));
    }
    loop {
        let before = (needed.len(), exporters.len());
        for (at, module) in tree.modules.iter().enumerate() {
            if module.is_public && module.parent.is_some_and(|parent| exporters.contains(&parent)) {
                exporters.insert(at);
            }
            needed.extend(new_needs(tree, at, module, &needed, &exporters));
        }
        if before == (needed.len(), exporters.len()) {
            break;
        }
    }
    let holds_needed = |at: usize| needed.iter().any(|one| is_within(tree, *one, at));
    (1..tree.modules.len())
        .filter(|at| !holds_needed(*at))
        // Only the outermost of nested modules is reported.
        .filter(|at| tree.modules[*at].parent.is_none_or(holds_needed))
        .map(|at| Fault {
            rule: "module for tests only",
            place: tree.modules[at].file.clone(),
            what: "\n    Nothing of the product uses it. Declare it under #[cfg(test)] or \
                   #[cfg(any(test, fuzzing))], or delete it."
                .to_owned(),
        })
        .collect()
}

fn new_needs(
    tree: &Crate,
    at: usize,
    module: &Module,
    needed: &BTreeSet<usize>,
    exporters: &BTreeSet<usize>,
) -> BTreeSet<usize> {
    let definitions = |path: &Path| -> Vec<usize> {
        let places = tree.resolve(at, path);
        places
            .into_iter()
            .filter(|one| matches!(one, Place::Definition(_)))
            .map(module_of)
            .collect()
    };
    let mut found = BTreeSet::new();
    if exporters.contains(&at) {
        found.insert(at);
        let public = module.exports.iter().filter(|(_, is_public)| *is_public);
        found.extend(public.flat_map(|(path, _)| definitions(path)));
    }
    if needed.contains(&at) {
        found.extend(module.uses.iter().flat_map(definitions));
    }
    let of_needed = |path| definitions(path).iter().any(|one| *one != at && needed.contains(one));
    if module.impls.iter().any(of_needed) {
        found.insert(at);
    }
    found
}

fn module_of(place: Place) -> usize {
    match place {
        Place::Module(at) | Place::Definition(at) => at,
    }
}

fn is_within(tree: &Crate, mut module: usize, outer: usize) -> bool {
    while module != outer {
        match tree.modules[module].parent {
            Some(parent) => module = parent,
            None => return false,
        }
    }
    true
}

#[test]
fn modules_that_only_tests_use_are_found() {
    let files = |net: &'static str| {
        [
            ("src/lib.rs", "pub mod api; #[doc(hidden)] pub mod net; mod step; pub use net::Net;"),
            ("src/api.rs", "pub use crate::step::Step; #[cfg(test)] use crate::net::sim::Sim;"),
            ("src/step.rs", "pub struct Step; #[cfg(test)] mod tests { use crate::net::sim::*; }"),
            ("src/net/mod.rs", net),
            ("src/net/sim/mod.rs", "mod inner; pub use inner::Inner; pub struct Sim(Inner);"),
            (
                "src/net/sim/inner.rs",
                "use super::super::Net; pub struct Inner; impl Net for Inner {}",
            ),
            ("src/net/method.rs", "impl super::NetImpl { fn f() {} }"),
        ]
    };
    let begin = "mod method; pub trait Net {} struct NetImpl; ";
    for (net, places) in [
        ("pub mod sim;", vec!["src/net/sim/mod.rs"]),
        ("mod sim; pub use sim::Sim;", vec!["src/net/sim/mod.rs"]),
        ("#[cfg(test)] mod sim;", vec![]),
        ("#[cfg(any(test, fuzzing))] pub mod sim;", vec![]),
        ("mod sim; fn f(_: sim::Sim) {}", vec![]),
    ] {
        let text: &'static str = Box::leak(format!("{begin}{net}").into_boxed_str());
        let found = modules(&crate::planted(&files(text)), &[]);
        let found: Vec<_> = found.iter().map(|fault| &*fault.place).collect();
        assert_eq!(found, places, "{net}");
    }
}

#[test]
fn what_another_program_uses_is_not_found() {
    let tree = crate::planted(&[
        ("src/lib.rs", "#[doc(hidden)] pub mod a;"),
        ("src/a.rs", "pub struct A;"),
    ]);
    assert_eq!(modules(&tree, &[]).len(), 1);
    let named = ["crate", "a", "A"].map(str::to_owned).to_vec();
    assert_eq!(modules(&tree, &[named]).len(), 0);
}
