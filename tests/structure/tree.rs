//! The modules of a crate, read from its source: which file holds each, what it defines, and what
//! it names. Code that is compiled only for tests or fuzzing is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

/// The texts of source files, by path from the root of the repository.
pub(crate) type Sources = BTreeMap<String, String>;

/// One crate: all modules that its root declares, directly or indirectly, except those for tests.
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
    /// The files of modules that are compiled for tests only.
    test_files: BTreeSet<String>,
}

/// One module. An inline module has the file of the module around it.
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    /// True if the module is declared `pub` and not `#[doc(hidden)]`.
    pub(crate) is_public: bool,
    names: BTreeMap<String, Vec<Binding>>,
    /// The modules whose names `use path::*` brings in.
    globs: Vec<Path>,
    /// The paths of `pub use` and `pub(…) use`; true if the visibility is plain `pub`.
    pub(crate) exports: Vec<(Path, bool)>,
    /// The paths that the code names or imports.
    pub(crate) uses: Vec<Path>,
    /// The types of the `impl` blocks, and the type names defined at this level with their lines.
    pub(crate) impls: Vec<Path>,
    pub(crate) types: Vec<(String, usize)>,
    pub(crate) functions: Vec<Function>,
}

/// The length of a function, from its signature to its closing brace.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

pub(crate) type Path = Vec<String>;

#[derive(Clone)]
enum Binding {
    Defined,
    Child(usize),
    Imported(Path),
}

fn is_child(binding: &Binding) -> bool {
    matches!(binding, Binding::Child(_))
}

/// What a path in the source refers to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Module(usize),
    /// A name that this module defines.
    Definition(usize),
}

impl Crate {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(sources: &Sources, root: &str) -> Crate {
        let mut read = Crate { modules: Vec::new(), test_files: BTreeSet::new() };
        read.add_file(sources, root, None, true);
        read
    }

    /// Returns all files of the crate, those for tests too.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        let of_modules = self.modules.iter().map(|module| &module.file);
        of_modules.chain(&self.test_files).map(String::as_str).collect()
    }

    /// Returns, for each file, the other files from which it imports, each with an imported name.
    pub(crate) fn imports(&self) -> BTreeMap<&str, BTreeMap<&str, String>> {
        let mut imports: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let found = imports.entry(&*module.file).or_default();
            for path in &module.uses {
                for place in self.resolve(at, path) {
                    if let Place::Definition(other) = place
                        && self.modules[other].file != module.file
                    {
                        found.entry(&*self.modules[other].file).or_insert(path.join("::"));
                    }
                }
            }
        }
        imports
    }

    /// Returns what a path in this module refers to. Empty if it names another crate, the prelude
    /// or a local variable.
    pub(crate) fn resolve(&self, from: usize, path: &[String]) -> BTreeSet<Place> {
        let mut found = BTreeSet::new();
        self.follow(from, path, &mut BTreeSet::new(), &mut found);
        found
    }

    /// Resolves a path. `tried` has the paths that are being resolved already, because imports can
    /// form a circle.
    fn follow(
        &self,
        from: usize,
        path: &[String],
        tried: &mut BTreeSet<(usize, Path)>,
        found: &mut BTreeSet<Place>,
    ) {
        if !tried.insert((from, path.to_vec())) {
            return;
        }
        let Some((first, rest)) = path.split_first() else {
            found.insert(Place::Module(from));
            return;
        };
        match &**first {
            "crate" => return self.follow(0, rest, tried, found),
            "self" => return self.follow(from, rest, tried, found),
            "super" => {
                let parent = self.modules[from].parent.expect("`super` in the root of a crate");
                return self.follow(parent, rest, tried, found);
            }
            _ => {}
        }
        let module = &self.modules[from];
        let bindings = module.names.get(first).map(Vec::as_slice).unwrap_or_default();
        for binding in bindings {
            match binding {
                // A function and a module may share a name. If the path goes on, the module is
                // meant.
                Binding::Defined if !rest.is_empty() && bindings.iter().any(is_child) => {}
                Binding::Defined => drop(found.insert(Place::Definition(from))),
                Binding::Child(child) => self.follow(*child, rest, tried, found),
                // As in `use event::event;`, where the first `event` is a module.
                Binding::Imported(path) if path[0] == *first => {
                    let whole = [&path[1..], rest].concat();
                    for binding in bindings {
                        if let Binding::Child(child) = binding {
                            self.follow(*child, &whole, tried, found);
                        }
                    }
                }
                Binding::Imported(path) => {
                    self.follow(from, &[path, rest].concat(), tried, found);
                }
            }
        }
        if bindings.is_empty() {
            let is_own = |glob: &&Path| {
                matches!(&*glob[0], "crate" | "self" | "super")
                    || module.names.contains_key(&glob[0])
            };
            for glob in module.globs.iter().filter(is_own) {
                self.follow(from, &[glob, path].concat(), tried, found);
            }
        }
    }

    fn add_file(
        &mut self,
        sources: &Sources,
        file: &str,
        parent: Option<usize>,
        is_public: bool,
    ) -> usize {
        let text = &sources[file];
        let items = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")).items;
        let (folder, name) = file.rsplit_once('/').unwrap();
        let is_root = parent.is_none() || name == "mod.rs";
        let folder = if is_root { folder } else { file.trim_end_matches(".rs") };
        self.add_module(sources, file, folder, parent, is_public, &items)
    }

    /// `folder` is where the files of child modules are.
    fn add_module(
        &mut self,
        sources: &Sources,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        is_public: bool,
        items: &[Item],
    ) -> usize {
        let at = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            is_public,
            names: BTreeMap::new(),
            globs: Vec::new(),
            exports: Vec::new(),
            uses: Vec::new(),
            impls: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
        });
        for item in items {
            if let Item::Mod(module) = item
                && module.attrs.iter().any(|attribute| attribute.path().is_ident("path"))
            {
                // A file that is included from another folder does not belong to the crate.
                assert!(is_test_only(&module.attrs), "{file}: #[path] is for tests");
            } else if is_test_only(attributes(item)) {
                if let Item::Mod(module) = item {
                    let before = self.modules.len();
                    self.add_child(sources, file, folder, at, module);
                    let tests = self.modules.drain(before..).map(|module| module.file);
                    self.test_files.extend(tests);
                }
            } else if let Item::Mod(module) = item {
                let child = self.add_child(sources, file, folder, at, module);
                let name = module.ident.to_string();
                self.modules[at].names.entry(name).or_default().push(Binding::Child(child));
            } else {
                self.add_item(at, item);
            }
        }
        at
    }

    fn add_child(
        &mut self,
        sources: &Sources,
        file: &str,
        folder: &str,
        at: usize,
        module: &syn::ItemMod,
    ) -> usize {
        let name = module.ident.to_string();
        let is_public =
            matches!(module.vis, Visibility::Public(_)) && !module.attrs.iter().any(is_doc_hidden);
        let folder = format!("{folder}/{name}");
        if let Some((_, items)) = &module.content {
            return self.add_module(sources, file, &folder, Some(at), is_public, items);
        }
        let (beside, inside) = (format!("{folder}.rs"), format!("{folder}/mod.rs"));
        let child = if sources.contains_key(&beside) { &beside } else { &inside };
        assert!(sources.contains_key(child), "{file}: the module {name} has no file");
        self.add_file(sources, child, Some(at), is_public)
    }

    fn add_item(&mut self, at: usize, item: &Item) {
        let module = &mut self.modules[at];
        let name = match item {
            Item::Const(one) => Some((&one.ident, false)),
            Item::Enum(one) => Some((&one.ident, true)),
            Item::Fn(one) => Some((&one.sig.ident, false)),
            Item::Macro(one) => one.ident.as_ref().map(|ident| (ident, false)),
            Item::Static(one) => Some((&one.ident, false)),
            Item::Struct(one) => Some((&one.ident, true)),
            Item::Trait(one) => Some((&one.ident, true)),
            Item::Type(one) => Some((&one.ident, true)),
            Item::Union(one) => Some((&one.ident, true)),
            _ => None,
        };
        if let Some((name, is_type)) = name {
            module.names.entry(name.to_string()).or_default().push(Binding::Defined);
            if is_type && name != "_" {
                module.types.push((name.to_string(), name.span().start().line));
            }
        }
        if let Item::Impl(one) = item
            && let syn::Type::Path(of) = &*one.self_ty
        {
            module.impls.push(segments(&of.path));
        }
        Names { module }.visit_item(item);
    }
}

/// Collects the names that occur in an item.
struct Names<'m> {
    module: &'m mut Module,
}

impl Names<'_> {
    fn import(&mut self, tree: &UseTree, mut before: Path, export: Option<bool>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(&path.tree, before, export);
            }
            UseTree::Group(group) => {
                for one in &group.items {
                    self.import(one, before.clone(), export);
                }
            }
            UseTree::Name(name) => self.bind(before, &name.ident, &name.ident, export),
            UseTree::Rename(one) => self.bind(before, &one.ident, &one.rename, export),
            UseTree::Glob(_) => {
                match export {
                    Some(is_public) => self.module.exports.push((before.clone(), is_public)),
                    None => self.module.uses.push(before.clone()),
                }
                self.module.globs.push(before);
            }
        }
    }

    fn bind(
        &mut self,
        mut path: Path,
        name: &syn::Ident,
        bound: &syn::Ident,
        export: Option<bool>,
    ) {
        let bound = if bound == "self" { path.last().unwrap().clone() } else { bound.to_string() };
        path.push(name.to_string());
        match export {
            Some(is_public) => self.module.exports.push((path.clone(), is_public)),
            None => self.module.uses.push(path.clone()),
        }
        // `use serde;` names another crate, and does not refer to itself.
        if path != [&*bound] {
            self.module.names.entry(bound).or_default().push(Binding::Imported(path));
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        self.module.functions.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: block.span().end().line + 1 - line,
        });
    }

    /// Macros are not parsed: each run of names and `::` in them counts as a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut goes_on = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if !goes_on && !path.is_empty() {
                        self.module.uses.push(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    goes_on = false;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => goes_on = true,
                other => {
                    if !path.is_empty() {
                        self.module.uses.push(std::mem::take(&mut path));
                    }
                    goes_on = false;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        if !path.is_empty() {
            self.module.uses.push(path);
        }
    }
}

impl<'a> Visit<'a> for Names<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let export = match &item.vis {
            Visibility::Inherited => None,
            visibility => Some(matches!(visibility, Visibility::Public(_))),
        };
        self.import(&item.tree, Path::new(), export);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(one) => &one.attrs,
            syn::ImplItem::Fn(one) => &one.attrs,
            syn::ImplItem::Type(one) => &one.attrs,
            syn::ImplItem::Macro(one) => &one.attrs,
            _ => return,
        };
        if is_test_only(attributes) {
            return;
        }
        if let syn::ImplItem::Fn(one) = item {
            self.function(&one.sig, &one.block);
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if !is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'a syn::FieldValue) {
        if !is_test_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        if !is_test_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_expr_block(&mut self, block: &'a syn::ExprBlock) {
        if !is_test_only(&block.attrs) {
            visit::visit_expr_block(self, block);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        if !is_test_only(&call.attrs) {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.module.uses.push(segments(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, one: &'a syn::Macro) {
        self.tokens(one.tokens.clone());
        visit::visit_macro(self, one);
    }
}

fn segments(path: &syn::Path) -> Path {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(one) => &one.attrs,
        Item::Enum(one) => &one.attrs,
        Item::ExternCrate(one) => &one.attrs,
        Item::Fn(one) => &one.attrs,
        Item::Impl(one) => &one.attrs,
        Item::Macro(one) => &one.attrs,
        Item::Mod(one) => &one.attrs,
        Item::Static(one) => &one.attrs,
        Item::Struct(one) => &one.attrs,
        Item::Trait(one) => &one.attrs,
        Item::Type(one) => &one.attrs,
        Item::Union(one) => &one.attrs,
        Item::Use(one) => &one.attrs,
        _ => &[],
    }
}

fn is_doc_hidden(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list)
        if list.path.is_ident("doc") && list.tokens.to_string() == "hidden")
}

/// Returns true if the product's build leaves this item out, with any set of features.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        one.path().is_ident("test")
            || one.path().is_ident("cfg")
                && one.parse_args::<Meta>().is_ok_and(|cfg| holds(&cfg) == Some(false))
    })
}

/// Evaluates a `cfg` condition without `test` and `fuzzing`. `None` if it depends on other options.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) => (path.is_ident("test") || path.is_ident("fuzzing")).then_some(false),
        Meta::NameValue(_) => None,
        Meta::List(list) => {
            let parts = list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .unwrap_or_default();
            let parts: Vec<_> = parts.iter().map(holds).collect();
            if list.path.is_ident("not") {
                parts.first().copied().flatten().map(|one| !one)
            } else {
                // One part decides: a false one in `all`, a true one in `any`.
                let decides = list.path.is_ident("any");
                if parts.contains(&Some(decides)) {
                    Some(decides)
                } else {
                    (!parts.contains(&None)).then_some(!decides)
                }
            }
        }
    }
}
