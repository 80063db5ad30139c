//! A plan as indented text, one operator a line, with what each keeps in memory.

use std::collections::HashSet;

use super::lir::{NodeRef, Plan, layout_text};

/// The plan of a view. A sub-plan that occurs twice is written once.
pub fn explain(plan: &Plan) -> String {
    let columns: Vec<String> =
        plan.schema.fields().iter().enumerate().map(|(i, f)| format!("#{i} {}", f.name())).collect();
    let mut text = format!("View {} {}\n  columns: {}\n", plan.name, layout_text(&plan.layout), columns.join(", "));
    node(&plan.root, 1, &mut HashSet::new(), &mut text);
    for warning in &plan.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn node(node_ref: &NodeRef, depth: usize, seen: &mut HashSet<String>, text: &mut String) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}{}", node_ref.operator.describe()));
    if let Some(kept) = node_ref.operator.keeps() {
        text.push_str(&format!("  -- keeps {kept}"));
    }
    if !seen.insert(node_ref.fingerprint.clone()) && !node_ref.operator.inputs().is_empty() {
        text.push_str("  -- as above\n");
        return;
    }
    text.push('\n');
    for input in node_ref.operator.inputs() {
        node(input, depth + 1, seen, text);
    }
}
