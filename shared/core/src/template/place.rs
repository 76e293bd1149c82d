//! Where the parts of a template stand in its source.

use minijinja::machinery::ast::{Expr, Stmt, UnaryOpKind};

/// Where an expression begins, without the parentheses around it or around what it begins with.
pub(super) fn start(expression: &Expr<'_>, source: &str) -> usize {
    let own = expression.span().start_offset as usize;
    match expression {
        Expr::Var(_) | Expr::Const(_) | Expr::List(_) | Expr::Map(_) => own,
        // `1, 2` has no parenthesis, and its span begins behind its first comma.
        Expr::Tuple(it) => it.items.first().map_or(own, |first| own.min(start(first, source))),
        Expr::Slice(it) => start(&it.expr, source),
        Expr::UnaryOp(it) => {
            let operand = start(&it.expr, source);
            // `a is not b` and `a not in b` begin with `a`, whatever their spans say.
            let leads =
                !matches!(it.op, UnaryOpKind::Not) || source.get(own..).is_some_and(|rest| rest.starts_with("not"));
            if leads && own < operand { own } else { operand }
        }
        Expr::BinOp(it) => start(&it.left, source),
        Expr::Compare(it) => start(&it.expr, source),
        Expr::IfExpr(it) => start(&it.true_expr, source),
        Expr::Filter(it) => it.expr.as_ref().map_or(own, |value| start(value, source)),
        Expr::Test(it) => start(&it.expr, source),
        Expr::GetAttr(it) => start(&it.expr, source),
        Expr::GetItem(it) => start(&it.expr, source),
        Expr::Call(it) => start(&it.expr, source),
    }
}

/// The bytes of the template itself that one round of a loop writes; inner loops count theirs.
pub(super) fn written_in(body: &[Stmt<'_>]) -> usize {
    let of = |statement: &Stmt<'_>| match statement {
        Stmt::EmitRaw(it) => it.raw.len(),
        Stmt::ForLoop(it) => written_in(&it.else_body),
        Stmt::IfCond(it) => written_in(&it.true_body) + written_in(&it.false_body),
        Stmt::WithBlock(it) => written_in(&it.body),
        Stmt::AutoEscape(it) => written_in(&it.body),
        Stmt::FilterBlock(it) => written_in(&it.body),
        Stmt::SetBlock(it) => written_in(&it.body),
        _ => 0,
    };
    body.iter().map(of).sum()
}
