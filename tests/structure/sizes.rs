//! The rules that no line has more than 100 columns, and no function more than 70 lines.

use crate::Fault;
use crate::tree::Crate;

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;

/// Returns one fault for a file, with all its lines that are too long.
pub(crate) fn lines(file: &str, text: &str) -> Option<Fault> {
    let long: Vec<_> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX)
        .map(|(number, _)| number.to_string())
        .collect();
    (!long.is_empty()).then(|| Fault {
        rule: "long line",
        place: file.to_owned(),
        what: format!(
            "\n    The lines {} have more than {COLUMNS_MAX} columns: break them (a string: by a \
             backslash at the end of the line).",
            long.join(", ")
        ),
    })
}

/// Returns the functions of the product that are too long. Those of tests may be longer.
pub(crate) fn functions(tree: &Crate) -> Vec<Fault> {
    let mut faults = Vec::new();
    for module in &tree.modules {
        for function in module.functions.iter().filter(|one| one.lines > FUNCTION_LINES_MAX) {
            faults.push(Fault {
                rule: "long function",
                place: format!("{} {}", module.file, function.name),
                what: format!(
                    "\n    It begins in line {} and has {} lines, more than {FUNCTION_LINES_MAX}: \
                     name its steps and make them functions.",
                    function.line, function.lines
                ),
            });
        }
    }
    faults
}

#[test]
fn long_lines_are_found() {
    let at_most = "é".repeat(COLUMNS_MAX);
    assert!(lines("src/a.rs", &at_most).is_none());
    let found = lines("src/a.rs", &format!("\n{at_most}x\n")).unwrap();
    assert!(found.what.contains("lines 2 have"), "{}", found.what);
}

#[test]
fn long_functions_are_found() {
    let body = |lines: usize| format!("{{\n{}}}", "f();\n".repeat(lines - 2));
    let (at_most, longer) = (body(FUNCTION_LINES_MAX), body(FUNCTION_LINES_MAX + 1));
    for (text, count) in [
        (format!("fn f() {at_most}"), 0),
        (format!("fn f() {longer}"), 1),
        (format!("impl A {{ fn f() {longer} }} struct A;"), 1),
        (format!("trait A {{ fn f() {longer} }}"), 1),
        (format!("mod a {{ fn f() {longer} }}"), 1),
        (format!("fn g() {{ fn f() {longer} }}"), 2),
        (format!("#[cfg(test)] mod tests {{ fn f() {longer} }}"), 0),
        (format!("#[test] fn f() {longer}"), 0),
    ] {
        let found = functions(&crate::planted(&[("src/lib.rs", &text)]));
        assert_eq!(found.len(), count, "{text}");
    }
}
