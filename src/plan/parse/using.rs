//! `a FULL JOIN b USING (k)`: `k` is the one that is there, as PostgreSQL has it; DataFusion takes the left one, which may be NULL.
//!
//! Where a select has such a join, or a RIGHT one, its `USING`s become `ON`s, and what stands for both columns stands in the place of `k`
//! and in front of `*`. `a.k` and `b.k` are what they were.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExceptSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::normal::{binary, call};
use super::reader::folded;
use crate::model::{SqlError, SqlResult};

/// A table of the FROM clause, and those of its columns that are merged with another's.
struct Table {
    name: Ident,
    merged: Vec<Ident>,
}

/// Which side of a join always has a row: its column is the merged one.
#[derive(Clone, Copy)]
enum Kept {
    Left,
    Right,
    Both,
}

/// What stands for the columns of joins by `USING`.
struct Merged {
    columns: Vec<(Ident, Expr)>,
    /// How many queries deep: names in a subquery are its own.
    depth: usize,
}

/// Makes the columns of a select's outer joins by `USING` one.
///
/// # Errors
/// Where it can't be told which table a column of `USING` belongs to.
pub(super) fn merge_columns(select: &mut Select) -> SqlResult<()> {
    let is_merged = |join: &mut Join| match joined(&mut join.join_operator) {
        Some((Kept::Right | Kept::Both, on)) => matches!(on, JoinConstraint::Using(_) | JoinConstraint::Natural),
        _ => false,
    };
    if !select.from.iter_mut().any(|from| from.joins.iter_mut().any(is_merged)) {
        return Ok(());
    }
    let [from] = select.from.as_mut_slice() else { return Err(refused()) };
    let mut merged = Merged { columns: vec![], depth: 0 };
    let mut tables = vec![Table { name: name(&from.relation)?, merged: vec![] }];
    for join in &mut from.joins {
        let mut right = Table { name: name(&join.relation)?, merged: vec![] };
        if let Some((kept, constraint)) = joined(&mut join.join_operator)
            && let Some(on) = merged.join(&mut tables, &mut right, constraint, kept)?
        {
            *constraint = JoinConstraint::On(on);
        }
        tables.push(right);
    }
    let projection = std::mem::take(&mut select.projection);
    select.projection = projection.into_iter().flat_map(|item| merged.item(item, &tables)).collect();
    let ControlFlow::<()>::Continue(()) = select.visit(&mut merged) else { return Ok(()) };
    Ok(())
}

fn refused() -> SqlError {
    SqlError::unsupported("FULL and RIGHT JOIN with USING or NATURAL is not supported here")
        .hint("write ON a.k = b.k, and COALESCE(a.k, b.k) for the column of both")
}

/// What a join keeps, and its constraint.
fn joined(operator: &mut JoinOperator) -> Option<(Kept, &mut JoinConstraint)> {
    match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => {
            Some((Kept::Left, on))
        }
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => Some((Kept::Right, on)),
        JoinOperator::FullOuter(on) => Some((Kept::Both, on)),
        _ => None,
    }
}

/// What a table is called in its query.
fn name(table: &TableFactor) -> SqlResult<Ident> {
    let (alias, name) = match table {
        TableFactor::Table { name, alias, .. } => (alias, name.0.last().and_then(|part| part.as_ident())),
        TableFactor::Derived { alias, .. } | TableFactor::UNNEST { alias, .. } => (alias, None),
        TableFactor::Function { name, alias, .. } => (alias, name.0.last().and_then(|part| part.as_ident())),
        _ => (&None, None),
    };
    alias.as_ref().map(|alias| &alias.name).or(name).cloned().ok_or_else(refused)
}

fn qualified(table: &Ident, column: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![table.clone(), column.clone()])
}

fn is_same(left: &Ident, right: &Ident) -> bool {
    folded(left) == folded(right)
}

impl Merged {
    fn of(&self, column: &Ident) -> Option<&Expr> {
        self.columns.iter().find(|(name, _)| is_same(name, column)).map(|(_, value)| value)
    }

    /// One more table is joined: the condition that its `USING` is, if it has one.
    fn join(
        &mut self,
        tables: &mut [Table],
        right: &mut Table,
        constraint: &JoinConstraint,
        kept: Kept,
    ) -> SqlResult<Option<Expr>> {
        let columns = match constraint {
            JoinConstraint::Using(columns) => columns,
            JoinConstraint::Natural => return Err(refused()),
            _ => return Ok(None),
        };
        let mut condition = None;
        for column in columns {
            let column = column.0.last().and_then(|part| part.as_ident()).ok_or_else(refused)?;
            let of_left = match (self.of(column), &mut *tables) {
                (Some(merged), _) => merged.clone(),
                (None, [only]) => {
                    only.merged.push(column.clone());
                    qualified(&only.name, column)
                }
                _ => return Err(refused()),
            };
            right.merged.push(column.clone());
            let of_right = qualified(&right.name, column);
            let equal = binary(of_left.clone(), BinaryOperator::Eq, of_right.clone());
            condition = Some(match condition {
                Some(before) => binary(before, BinaryOperator::And, equal),
                None => equal,
            });
            self.columns.retain(|(name, _)| !is_same(name, column));
            let value = match kept {
                Kept::Left => of_left,
                Kept::Right => of_right,
                Kept::Both => call("coalesce", vec![of_left, of_right]),
            };
            self.columns.push((column.clone(), value));
        }
        Ok(condition)
    }

    /// A result column, or those that `*` stands for: the merged ones first.
    fn item(&self, item: SelectItem, tables: &[Table]) -> Vec<SelectItem> {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(column)) => match self.of(&column) {
                Some(value) => vec![SelectItem::ExprWithAlias { expr: value.clone(), alias: column }],
                None => vec![SelectItem::UnnamedExpr(Expr::Identifier(column))],
            },
            SelectItem::Wildcard(_) => {
                let merged = self
                    .columns
                    .iter()
                    .map(|(column, value)| SelectItem::ExprWithAlias { expr: value.clone(), alias: column.clone() });
                let others = tables.iter().map(|table| {
                    let except = table.merged.split_first().map(|(first, more)| ExceptSelectItem {
                        first_element: first.clone(),
                        additional_elements: more.to_vec(),
                    });
                    let table = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![table.name.clone()]));
                    let options = WildcardAdditionalOptions { opt_except: except, ..Default::default() };
                    SelectItem::QualifiedWildcard(table, options)
                });
                merged.chain(others).collect()
            }
            other => vec![other],
        }
    }
}

impl VisitorMut for Merged {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let (Expr::Identifier(column), 0) = (&*expr, self.depth)
            && let Some(value) = self.of(column)
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}
