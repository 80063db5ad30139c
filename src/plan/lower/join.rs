//! Joins: which side drives, what the key is, how NULLs and non-equalities are met.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::Join;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::expressions::{CaseExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr};

use super::super::lir::{Arranged, JoinKind, Layout, NodeRef, Operator, Step};
use super::{ExprRef, Lowering, column, data_type};
use crate::model::{SqlError, SqlResult};
use crate::plan::subquery::correlated_not_in;

/// A join side: its rows, arranged, and where the columns of the logical input stand in them.
struct Side {
    arranged: Arranged,
    /// Column `i` of the logical input is column `columns[i]` of `arranged.input`.
    columns: Vec<usize>,
}

impl Side {
    /// Where the logical input's column `i` stands in layout order.
    fn position(&self, i: usize) -> usize {
        self.arranged.layout.positions()[self.columns[i]]
    }

    fn keys(&self) -> usize {
        self.arranged.layout.key.len()
    }

    fn rest(&self) -> usize {
        self.arranged.layout.rest.len()
    }

    fn is_unique(&self) -> bool {
        is_unique(&self.arranged)
    }
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> SqlResult<NodeRef> {
        if join.null_aware {
            return self.not_in(join);
        }
        let left = self.plan(&join.left)?;
        let right = self.plan(&join.right)?;
        let on = self.keys(join)?;
        let condition = match &join.filter {
            None => None,
            Some(filter) => {
                let both = join.left.schema().join(join.right.schema()).map_err(|e| self.error(e))?;
                Some(self.expression(filter, &both)?)
            }
        };
        if on.0.is_empty() && !(left.unique.contains(&vec![]) || right.unique.contains(&vec![])) {
            self.warnings.push(format!(
                "join without an equality{}: every row meets every row, on one worker",
                join.filter.as_ref().map(|f| format!(" ({f})")).unwrap_or_default()
            ));
        }
        let nulls_match = join.null_equality == NullEquality::NullEqualsNull;
        let swapped =
            matches!(join.join_type, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
        let kind = match join.join_type {
            JoinType::Inner => JoinKind::Inner,
            JoinType::Left | JoinType::Right => JoinKind::Left,
            JoinType::Full => JoinKind::Full,
            JoinType::LeftSemi | JoinType::RightSemi => JoinKind::Semi,
            JoinType::LeftAnti | JoinType::RightAnti => JoinKind::Anti,
            JoinType::LeftMark | JoinType::RightMark => JoinKind::Mark,
        };
        let widths = (left.schema.fields().len(), right.schema.fields().len());
        let condition = match condition {
            Some(c) if swapped => Some(shift_columns(&c, |i| if i < widths.0 { i + widths.1 } else { i - widths.0 })?),
            other => other,
        };
        let names = Arc::clone(join.schema.inner());
        if swapped {
            let node = self.join_nodes(right, left, on.1, on.0, kind, condition, nulls_match)?;
            if kind != JoinKind::Left {
                return Ok(node);
            }
            let expressions = (widths.1..widths.0 + widths.1).chain(0..widths.1).map(|i| column(&node, i)).collect();
            return Ok(self.map_project(node, expressions, &names));
        }
        self.join_nodes(left, right, on.0, on.1, kind, condition, nulls_match)
    }

    fn keys(&self, join: &Join) -> SqlResult<(Vec<ExprRef>, Vec<ExprRef>)> {
        let mut keys = (vec![], vec![]);
        for (l, r) in &join.on {
            keys.0.push(self.expression(l, join.left.schema())?);
            keys.1.push(self.expression(r, join.right.schema())?);
        }
        Ok(keys)
    }

    /// Yields left columns, then (by kind) right columns or a flag, each input's in its own order.
    #[allow(clippy::too_many_arguments, reason = "the parts of a join, used here only")]
    fn join_nodes(
        &mut self,
        left: NodeRef,
        right: NodeRef,
        left_keys: Vec<ExprRef>,
        right_keys: Vec<ExprRef>,
        kind: JoinKind,
        condition: Option<ExprRef>,
        nulls_match: bool,
    ) -> SqlResult<NodeRef> {
        let widths = (left.schema.fields().len(), right.schema.fields().len());
        let (left_keys, right_keys) = self.same_types(&left, &right, left_keys, right_keys)?;
        let mut full_nulls = None;
        let (mut left, mut right_filtered) = (left, Arc::clone(&right));
        if !nulls_match {
            // NULL equals nothing: such rows cannot meet a partner. Where only pairs count they are dropped on one side, and those on the
            // other meet none; a preserved left side keeps them, and the right side's are gone.
            if matches!(kind, JoinKind::Inner | JoinKind::Semi) {
                let left_is_kept = self.is_kept_by(&left, &left_keys);
                for (left_key, right_key) in left_keys.iter().zip(&right_keys) {
                    if self.never_null_value(&left, left_key) || self.never_null_value(&right, right_key) {
                        continue;
                    }
                    // What is read as it is kept stays as it is.
                    if left_is_kept {
                        right_filtered = self.not_null(right_filtered, right_key);
                    } else {
                        left = self.not_null(left, left_key);
                    }
                }
            } else {
                for (left_key, right_key) in left_keys.iter().zip(&right_keys) {
                    // A key that is never NULL on the left meets no NULL on the right.
                    if !self.never_null_value(&left, left_key) {
                        right_filtered = self.not_null(right_filtered, right_key);
                    }
                }
            }
            if kind == JoinKind::Full && !Arc::ptr_eq(&right, &right_filtered) {
                full_nulls = Some(self.any_null(Arc::clone(&right), &right_keys));
            }
        }
        let left = self.side(left, &left_keys, widths.0);
        let right = self.side(right_filtered, &right_keys, widths.1);
        let node = self.join_sides(left, right, widths, kind, condition)?;
        let Some(unmatched) = full_nulls else { return Ok(node) };
        // Right rows whose key is NULL, extended by NULLs on the left.
        let mut expressions: Vec<ExprRef> = vec![];
        for i in 0..widths.0 {
            let null = ScalarValue::try_from(node.schema.field(i).data_type()).map_err(|e| self.error(e))?;
            expressions.push(Arc::new(Literal::new(null)));
        }
        expressions.extend((0..widths.1).map(|i| column(&unmatched, i)));
        let names = Arc::clone(&node.schema);
        let unmatched = self.map_project(unmatched, expressions, &names);
        Ok(self.node(Operator::Union { inputs: vec![node, unmatched] }, names, vec![]))
    }

    /// Key expressions cast so that equal values are equal bytes.
    fn same_types(
        &self,
        left: &NodeRef,
        right: &NodeRef,
        l: Vec<ExprRef>,
        r: Vec<ExprRef>,
    ) -> SqlResult<(Vec<ExprRef>, Vec<ExprRef>)> {
        use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
        use datafusion::physical_expr::expressions::CastExpr;
        let cast = |e: ExprRef, to: &DataType, schema: &Schema| -> ExprRef {
            if &data_type(&e, schema) == to { e } else { Arc::new(CastExpr::new(e, to.clone(), None)) }
        };
        let mut keys = (vec![], vec![]);
        for (a, b) in l.into_iter().zip(r) {
            let (ta, tb) = (data_type(&a, &left.schema), data_type(&b, &right.schema));
            let to = if ta == tb {
                ta
            } else {
                comparison_coercion(&ta, &tb).ok_or_else(|| {
                    SqlError::new(
                        crate::model::error::code::UNDEFINED_FUNCTION,
                        format!("operator does not exist: {ta} = {tb}"),
                    )
                })?
            };
            keys.0.push(cast(a, &to, &left.schema));
            keys.1.push(cast(b, &to, &right.schema));
        }
        Ok(keys)
    }

    fn not_null(&mut self, node: NodeRef, key: &ExprRef) -> NodeRef {
        if self.never_null_value(&node, key) {
            return node;
        }
        self.map_filter(node, Arc::new(IsNotNullExpr::new(Arc::clone(key))))
    }

    fn any_null(&mut self, node: NodeRef, keys: &[ExprRef]) -> NodeRef {
        use datafusion::logical_expr::Operator as Op;
        use datafusion::physical_expr::expressions::BinaryExpr;
        let nulls = keys.iter().map(|k| Arc::new(IsNullExpr::new(Arc::clone(k))) as ExprRef);
        let any = nulls
            .reduce(|a, b| Arc::new(BinaryExpr::new(a, Op::Or, b)))
            .expect("a full join with an equality has keys");
        self.map_filter(node, any)
    }

    /// Arranges a join input by its key. A relation that is kept by just that key is used as it is, unneeded columns and all.
    fn side(&mut self, node: NodeRef, keys: &[ExprRef], width: usize) -> Side {
        let (node, key) = self.with_columns(node, keys);
        if let Some(side) = self.shared_side(&node, &key, width) {
            return side;
        }
        let layout = Layout::new(dedup(&key), node.schema.fields().len());
        // A key column named twice would be stored twice; a second copy under its own position keeps lengths equal.
        if layout.key.len() == key.len() {
            return Side { arranged: Arranged { input: node, layout }, columns: (0..width).collect() };
        }
        let full = node.schema.fields().len();
        let mut expressions: Vec<ExprRef> = (0..full).map(|i| column(&node, i)).collect();
        expressions.extend(key.iter().map(|c| column(&node, *c)));
        let names = Arc::clone(&node.schema);
        let node = self.map_project(node, expressions, &names);
        let layout = Layout::new((full..full + key.len()).collect(), full + key.len());
        Side { arranged: Arranged { input: node, layout }, columns: (0..width).collect() }
    }

    /// Whether the rows are those of a relation that is kept by just these keys.
    fn is_kept_by(&self, node: &NodeRef, keys: &[ExprRef]) -> bool {
        let columns: Option<Vec<usize>> = keys.iter().map(super::column_index).collect();
        columns.is_some_and(|key| self.shared_side(node, &key, node.schema.fields().len()).is_some())
    }

    fn shared_side(&self, node: &NodeRef, key: &[usize], width: usize) -> Option<Side> {
        let (get, columns): (&NodeRef, Vec<usize>) = match &node.operator {
            Operator::Get { .. } => (node, (0..width).collect()),
            Operator::Map { input, steps } => match (&input.operator, steps.as_slice()) {
                (Operator::Get { .. }, [Step::Project(expressions, _)]) => {
                    (input, expressions.iter().map(super::column_index).collect::<Option<Vec<_>>>()?)
                }
                _ => return None,
            },
            _ => return None,
        };
        let Operator::Get { name, .. } = &get.operator else { return None };
        let relation = self.relations.relation(name)?;
        let key: Vec<usize> = key.iter().map(|k| columns[*k]).collect();
        (relation.layout.key == key)
            .then(|| Side { arranged: Arranged { input: Arc::clone(get), layout: relation.layout }, columns })
    }

    fn join_sides(
        &mut self,
        left: Side,
        right: Side,
        widths: (usize, usize),
        kind: JoinKind,
        condition: Option<ExprRef>,
    ) -> SqlResult<NodeRef> {
        let (keys, left_rest, right_rest) = (left.keys(), left.rest(), right.rest());
        let right_position = |i: usize| {
            let at = right.position(i);
            if at < keys { at } else { left_rest + at }
        };
        // The condition sees left columns then right columns; rows come as key, left rest, right rest.
        let condition = condition
            .map(|c| shift_columns(&c, |i| if i < widths.0 { left.position(i) } else { right_position(i - widths.0) }))
            .transpose()?;
        let pair =
            layout_fields(&left).into_iter().chain(layout_fields(&right).into_iter().skip(keys)).collect::<Vec<_>>();
        let mut fields = match kind {
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => layout_fields(&left),
            JoinKind::Inner | JoinKind::Left | JoinKind::Full => pair,
        };
        let flag = |name: &str| Arc::new(Field::new(name, DataType::Boolean, true));
        let flags = fields.len();
        match kind {
            JoinKind::Left => fields.push(flag("right_matched")),
            JoinKind::Full => fields.extend([flag("left_matched"), flag("right_matched")]),
            JoinKind::Mark => fields.push(flag("mark")),
            JoinKind::Inner | JoinKind::Semi | JoinKind::Anti => {}
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let mut unique = vec![];
        let left_sets = || {
            left.arranged
                .input
                .unique
                .iter()
                .map(|u| u.iter().map(|c| left.arranged.layout.positions()[*c]).collect::<Vec<_>>())
        };
        match kind {
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => unique.extend(left_sets()),
            JoinKind::Inner | JoinKind::Left if right.is_unique() => unique.extend(left_sets()),
            JoinKind::Full if left.is_unique() && right.is_unique() && keys > 0 => unique.push((0..keys).collect()),
            _ => {}
        }
        if kind == JoinKind::Inner && left.is_unique() {
            let at = |c: &usize| {
                let at = right.arranged.layout.positions()[*c];
                if at < keys { at } else { left_rest + at }
            };
            unique.extend(right.arranged.input.unique.iter().map(|u| u.iter().map(at).collect::<Vec<_>>()));
        }
        let (inner_condition, outer_condition) =
            if kind == JoinKind::Inner { (condition, None) } else { (None, condition) };
        let expressions = self.join_output(&schema, &left, widths, kind, flags, right_position)?;
        debug_assert_eq!(keys + left_rest + right_rest, keys + left.rest() + right.rest());
        let chained = if outer_condition.is_none() { self.co_group(&left, &right, kind, &schema)? } else { None };
        let mut node = match chained {
            Some(node) => node,
            None => {
                let operator =
                    Operator::Join { left: left.arranged, right: right.arranged, kind, condition: outer_condition };
                self.node(operator, Arc::clone(&schema), unique)
            }
        };
        if let Some(condition) = inner_condition {
            node = self.map_filter(node, condition);
        }
        Ok(self.map_project(node, expressions, &schema))
    }

    /// The join as part of a co-group, if its left input is itself such a join on the same key: rows as the join would yield them.
    fn co_group(
        &mut self,
        left: &Side,
        right: &Side,
        kind: JoinKind,
        schema: &SchemaRef,
    ) -> SqlResult<Option<NodeRef>> {
        let keys = left.keys();
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) || keys == 0 || !right.is_unique() {
            return Ok(None);
        }
        // Down through projections to the join below, following the key.
        let layout = &left.arranged.layout;
        let (mut below, mut key, mut maps) = (&left.arranged.input, layout.key.clone(), vec![]);
        while let Operator::Map { input, steps } = &below.operator {
            let [Step::Project(expressions, _)] = steps.as_slice() else { return Ok(None) };
            let Some(through) = key.iter().map(|k| super::column_index(&expressions[*k])).collect() else {
                return Ok(None);
            };
            key = through;
            maps.push(expressions);
            below = input;
        }
        let (mut inputs, mut optional) = match &below.operator {
            Operator::Join { left, right, kind, condition: None }
                if matches!(kind, JoinKind::Inner | JoinKind::Left) && is_unique(right) =>
            {
                (vec![copy(left), copy(right)], vec![false, *kind == JoinKind::Left])
            }
            Operator::CoGroup { inputs, optional } => (inputs.iter().map(copy).collect(), optional.clone()),
            _ => return Ok(None),
        };
        if key.iter().enumerate().any(|(at, column)| *column != at) || inputs[0].layout.key.len() != keys {
            return Ok(None);
        }
        let (flags, rest) = (optional.iter().filter(|o| **o).count(), right.rest());
        let values = below.schema.fields().len() - flags;
        let remap = |i: usize| if i < values { i } else { i + rest };
        inputs.push(copy(&right.arranged));
        optional.push(kind == JoinKind::Left);
        let mut fields: Vec<Arc<Field>> = below.schema.fields()[..values].to_vec();
        fields.extend(layout_fields(right).into_iter().skip(keys));
        fields.extend(below.schema.fields()[values..].iter().cloned());
        let mut carried: Vec<usize> = (values..values + rest).collect();
        if kind == JoinKind::Left {
            carried.push(fields.len());
            fields.push(Arc::new(Field::new("right_matched", DataType::Boolean, true)));
        }
        let unique = below.unique.iter().map(|u| u.iter().map(|c| remap(*c)).collect()).collect();
        let mut node = self.node(Operator::CoGroup { inputs, optional }, Arc::new(Schema::new(fields)), unique);
        // The projections in between, the new columns carried along at their end.
        let mut lowest = true;
        for expressions in maps.into_iter().rev() {
            let mut all = vec![];
            for expression in expressions {
                all.push(if lowest { shift_columns(expression, remap)? } else { Arc::clone(expression) });
            }
            let width = all.len();
            all.extend(carried.iter().map(|c| column(&node, *c)));
            let names = Arc::new(Schema::new(vec![] as Vec<Field>));
            node = self.map_project(node, all, &names);
            carried = (width..width + carried.len()).collect();
            lowest = false;
        }
        let first = layout.columns().into_iter().map(|c| if lowest { remap(c) } else { c });
        let expressions = first.chain(carried).map(|c| column(&node, c)).collect();
        Ok(Some(self.map_project(node, expressions, schema)))
    }

    /// Left columns then right columns, read from a join's output row.
    fn join_output(
        &self,
        schema: &SchemaRef,
        left: &Side,
        widths: (usize, usize),
        kind: JoinKind,
        flags: usize,
        right_position: impl Fn(usize) -> usize,
    ) -> SqlResult<Vec<ExprRef>> {
        let keys = left.keys();
        let at = |i: usize| Arc::new(Column::new(schema.field(i).name(), i)) as ExprRef;
        // A key column belongs to both sides: it is NULL on the side that was not there.
        let guarded = |i: usize, flag: Option<usize>| -> SqlResult<ExprRef> {
            match flag {
                Some(flag) if i < keys => {
                    let case = CaseExpr::try_new(None, vec![(at(flag), at(i))], None).map_err(|e| self.error(e))?;
                    Ok(Arc::new(case))
                }
                _ => Ok(at(i)),
            }
        };
        let (left_flag, right_flag) = match kind {
            JoinKind::Left => (None, Some(flags)),
            JoinKind::Full => (Some(flags), Some(flags + 1)),
            _ => (None, None),
        };
        let mut expressions =
            (0..widths.0).map(|i| guarded(left.position(i), left_flag)).collect::<SqlResult<Vec<_>>>()?;
        match kind {
            JoinKind::Inner | JoinKind::Left | JoinKind::Full => {
                for i in 0..widths.1 {
                    expressions.push(guarded(right_position(i), right_flag)?);
                }
            }
            JoinKind::Mark => expressions.push(at(flags)),
            JoinKind::Semi | JoinKind::Anti => {}
        }
        Ok(expressions)
    }

    /// `x NOT IN (subquery)` with SQL's NULLs: nothing if the subquery has a NULL; rows with x NULL only if it is empty.
    fn not_in(&mut self, join: &Join) -> SqlResult<NodeRef> {
        let left = self.plan(&join.left)?;
        let right = self.plan(&join.right)?;
        let (left_keys, right_keys) = self.keys(join)?;
        if join.filter.is_some() || left_keys.len() != 1 {
            return Err(correlated_not_in());
        }
        let present = Arc::new(NotExpr::new(Arc::new(IsNullExpr::new(Arc::clone(&left_keys[0])))));
        let valued = self.map_filter(Arc::clone(&left), present);
        let absent = self.any_null(left, &left_keys);
        let nulls = self.any_null(Arc::clone(&right), &right_keys);
        let kept = self.join_nodes(valued, Arc::clone(&right), left_keys, right_keys, JoinKind::Anti, None, false)?;
        let kept = self.join_nodes(kept, nulls, vec![], vec![], JoinKind::Anti, None, false)?;
        let absent = self.join_nodes(absent, right, vec![], vec![], JoinKind::Anti, None, false)?;
        let schema = Arc::clone(&kept.schema);
        Ok(self.node(Operator::Union { inputs: vec![kept, absent] }, schema, vec![]))
    }

    /// Equal rows once.
    pub(super) fn distinct(&mut self, input: NodeRef) -> NodeRef {
        let schema = Arc::clone(&input.schema);
        let key = schema.fields().len();
        self.node(Operator::Reduce { input, key, aggregates: vec![], always: None }, schema, vec![(0..key).collect()])
    }
}

/// Whether at most one row has each key.
fn is_unique(arranged: &Arranged) -> bool {
    let key = &arranged.layout.key;
    arranged.input.unique.iter().any(|u| u.iter().all(|c| key.contains(c)))
}

fn copy(arranged: &Arranged) -> Arranged {
    Arranged { input: Arc::clone(&arranged.input), layout: arranged.layout.clone() }
}

fn dedup(key: &[usize]) -> Vec<usize> {
    let mut seen = vec![];
    for column in key {
        if !seen.contains(column) {
            seen.push(*column);
        }
    }
    seen
}

fn layout_fields(side: &Side) -> Vec<Arc<Field>> {
    let layout = &side.arranged.layout;
    layout.columns().iter().map(|c| Arc::clone(&side.arranged.input.schema.fields()[*c])).collect()
}

/// The expression with every column moved.
fn shift_columns(expression: &ExprRef, to: impl Fn(usize) -> usize) -> SqlResult<ExprRef> {
    let moved = Arc::clone(expression).transform_up(|e| {
        Ok(match e.downcast_ref::<Column>() {
            Some(c) => Transformed::yes(Arc::new(Column::new(c.name(), to(c.index()))) as ExprRef),
            None => Transformed::no(e),
        })
    });
    moved.map(|t| t.data).map_err(|e| SqlError::internal(e.to_string()))
}
