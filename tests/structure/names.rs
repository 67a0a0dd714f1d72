//! The rule that no two types of a crate have the same name.

use std::collections::BTreeMap;

use crate::Fault;
use crate::tree::Crate;

/// Returns the structs, enums, unions, traits and type aliases that share their name with another
/// type.
pub(crate) fn of_types(trees: &[&Crate]) -> Vec<Fault> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for module in trees.iter().flat_map(|tree| &tree.modules) {
        for (name, line) in &module.types {
            places.entry(name).or_default().push(format!("{}:{line}", module.file));
        }
    }
    places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| Fault {
            rule: "type name used twice",
            place: format!("{} {name}", places[0].split('/').next().unwrap_or_default()),
            what: format!("\n    {}\n    Rename all but one.", places.join(", ")),
        })
        .collect()
}

#[test]
fn a_name_used_twice_is_found() {
    for (other, count) in [
        ("struct Name;", 1),
        ("enum Name {}", 1),
        ("trait Name {}", 1),
        ("union Name { a: u8 }", 1),
        ("type Name = u8;", 1),
        ("mod c { struct Name; }", 1),
        ("fn name() {} const NAME: u8 = 0; struct Names;", 0),
        ("impl Iterator for Names { type Name = u8; } struct Names;", 0),
        ("#[cfg(test)] mod tests { struct Name; }", 0),
        ("#[cfg(any(test, fuzzing))] struct Name;", 0),
        ("#[cfg(not(test))] struct Name;", 1),
    ] {
        let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", "struct Name;")];
        let tree = crate::planted(&[&files[..], &[("src/b.rs", other)]].concat());
        assert_eq!(of_types(&[&tree]).len(), count, "{other}");
    }
}
