//! Puts meters into a template's source, where an operator or a statement reads or makes something: minijinja has no
//! other place for them.
//!
//! `a ~ b` becomes `((a)|_read) ~ ((b)|_read)`, on the same line, so that errors name the lines of the tenant's file.
//! Where an expression begins and ends is known without the parentheses around it; an opening one put anywhere among
//! those that stand there is the same row of tokens, and a closing one right behind the expression belongs to it.
//!
//! Refused is what cannot be metered, and what no mail needs: statements with `do`, arguments that are unpacked,
//! recursive loops, tags of hundreds of words.

use minijinja::Environment;
use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CallType, Expr, Stmt};
use minijinja::machinery::{Span, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::TemplateProblem;
use super::builtin::{EACH, INDEXED, KEPT, READ, SEARCHED, TIMES, knows_filter, knows_test};
use super::place::{start, written_in};

/// The most words and signs of one tag, and the most `elif`s of one template: the compiler recurses over both.
const MAX_TAG_TOKENS: usize = 500;
const MAX_ELIFS: usize = 100;

/// Words of the language. minijinja takes them for variables in places, where parentheses would make them words again.
const WORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];

/// Writes the source with meters, for an environment that has what they need.
///
/// # Errors
/// Where it does not parse, names a filter or a test that there is not, or has something that is refused.
pub(super) fn metered(environment: &Environment<'_>, source: &str) -> Result<String, TemplateProblem> {
    bounded(source)?;
    let parsed = parse(source, "template", SyntaxConfig::default()).map_err(|error| TemplateProblem::of(&error))?;
    let mut meters = Meters { source, environment, edits: Vec::new(), refused: None };
    meters.statement(&parsed, false);
    match meters.refused {
        Some(problem) => Err(problem),
        None => Ok(meters.written()),
    }
}

/// Refuses what the parser and the compiler would recurse over too deep.
fn bounded(source: &str) -> Result<(), TemplateProblem> {
    let (mut tokens, mut elifs) = (0, 0);
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let Ok((token, span)) = token else { return Ok(()) };
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        tokens += 1;
        let line = usize::from(span.start_line);
        if tokens > MAX_TAG_TOKENS {
            let problem = format!("one tag has more than {MAX_TAG_TOKENS} words and signs");
            return Err(TemplateProblem { problem, line });
        }
        if elifs > MAX_ELIFS {
            return Err(TemplateProblem { problem: format!("there are more than {MAX_ELIFS} elif"), line });
        }
    }
    Ok(())
}

/// One change of the source.
struct Edit {
    at: usize,
    /// How many bytes are taken away there.
    takes: usize,
    /// Whether it ends something: that comes before what begins at the same place.
    ends: bool,
    puts: String,
}

struct Meters<'s> {
    source: &'s str,
    environment: &'s Environment<'s>,
    edits: Vec<Edit>,
    refused: Option<TemplateProblem>,
}

impl Meters<'_> {
    /// `captured`: what is printed here does not go to the bounded output, but into memory.
    fn statements(&mut self, all: &[Stmt<'_>], captured: bool) {
        for one in all {
            self.statement(one, captured);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>, captured: bool) {
        match statement {
            Stmt::Template(it) => self.statements(&it.children, captured),
            Stmt::EmitExpr(it) => self.expression(&it.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(it) => {
                if it.recursive {
                    self.refuse("loops cannot be recursive".to_owned(), it.iter.span());
                }
                self.expression(&it.iter);
                it.filter_expr.iter().for_each(|condition| self.expression(condition));
                self.statements(&it.body, captured);
                self.statements(&it.else_body, captured);
                let each = if captured { written_in(&it.body) } else { 0 };
                self.meter(&it.iter, &format!("{EACH}({each})"));
            }
            Stmt::IfCond(it) => {
                self.expression(&it.expr);
                self.statements(&it.true_body, captured);
                self.statements(&it.false_body, captured);
            }
            Stmt::WithBlock(it) => {
                for (_, value) in &it.assignments {
                    self.expression(value);
                    self.meter(value, KEPT);
                }
                self.statements(&it.body, captured);
            }
            Stmt::Set(it) => {
                self.expression(&it.expr);
                self.meter(&it.expr, KEPT);
            }
            Stmt::SetBlock(it) => {
                self.statements(&it.body, true);
                match &it.filter {
                    Some(filter) => self.expression(filter),
                    None => self.put(it.target.span().end_offset, true, format!(" | {KEPT}")),
                }
            }
            Stmt::AutoEscape(it) => {
                self.expression(&it.enabled);
                self.statements(&it.body, captured);
            }
            Stmt::FilterBlock(it) => {
                self.expression(&it.filter);
                self.statements(&it.body, true);
            }
            Stmt::Macro(it) => {
                it.defaults.iter().for_each(|value| self.expression(value));
                self.statements(&it.body, true);
            }
            Stmt::CallBlock(it) => {
                self.call(&it.call);
                self.statements(&it.macro_decl.body, true);
            }
            Stmt::Block(it) => self.alone("block", it.span()),
            Stmt::Extends(it) => self.alone("extends", it.span()),
            Stmt::Include(it) => self.alone("include", it.span()),
            Stmt::Import(it) => self.alone("import", it.span()),
            Stmt::FromImport(it) => self.alone("import", it.span()),
            Stmt::Do(it) => {
                self.refuse("do is not taken: what it calls leaves nothing in a mail".to_owned(), it.call.span());
            }
        }
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Const(_) => {}
            Expr::Var(it) if WORDS.contains(&it.id) => {
                self.refuse(format!("{:?} stands where a value should", it.id), it.span());
            }
            Expr::Var(_) => {}
            Expr::Slice(it) => {
                let bounds = [&it.start, &it.stop, &it.step];
                [Some(&it.expr)]
                    .into_iter()
                    .chain(bounds.map(Option::as_ref))
                    .flatten()
                    .for_each(|part| self.expression(part));
                self.meter(&it.expr, INDEXED);
                self.meter(expression, KEPT);
            }
            Expr::UnaryOp(it) => self.expression(&it.expr),
            Expr::BinOp(it) => {
                self.expression(&it.left);
                self.expression(&it.right);
                self.operator(it.op, &it.left, &it.right);
                if matches!(it.op, BinOpKind::Add) {
                    self.meter(expression, KEPT);
                }
            }
            Expr::Compare(it) => {
                for part in [&it.expr].into_iter().chain(it.ops.iter().map(|op| &op.expr)) {
                    self.expression(part);
                    self.meter(part, READ);
                }
            }
            Expr::IfExpr(it) => {
                let parts = [Some(&it.test_expr), Some(&it.true_expr), it.false_expr.as_ref()];
                parts.into_iter().flatten().for_each(|part| self.expression(part));
            }
            Expr::Filter(it) => {
                it.expr.iter().for_each(|value| self.expression(value));
                self.arguments(&it.args, None);
                if !knows_filter(self.environment, it.name) {
                    self.refuse(format!("there is no filter {:?}", it.name), it.span());
                }
            }
            Expr::Test(it) => {
                self.expression(&it.expr);
                self.arguments(&it.args, None);
                if !knows_test(self.environment, it.name) {
                    self.refuse(format!("there is no test {:?}", it.name), it.span());
                }
            }
            Expr::GetAttr(it) => self.expression(&it.expr),
            Expr::GetItem(it) => {
                self.expression(&it.expr);
                self.expression(&it.subscript_expr);
                let named = matches!(&it.subscript_expr, Expr::Const(key) if key.value.as_str().is_some());
                if !named {
                    self.meter(&it.expr, INDEXED);
                    self.meter(&it.subscript_expr, READ);
                }
            }
            Expr::Call(it) => {
                self.call(it);
                self.meter(expression, KEPT);
            }
            Expr::List(it) => self.literal(expression, it.items.iter()),
            Expr::Tuple(it) => self.literal(expression, it.items.iter()),
            Expr::Map(it) => self.literal(expression, it.keys.iter().chain(&it.values)),
        }
    }

    fn operator(&mut self, operator: BinOpKind, left: &Expr<'_>, right: &Expr<'_>) {
        match operator {
            BinOpKind::Mul => self.times(left, right),
            BinOpKind::In => {
                self.meter(left, READ);
                self.meter(right, SEARCHED);
            }
            BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Sub | BinOpKind::Div => {}
            BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {}
            BinOpKind::Add | BinOpKind::Concat | BinOpKind::Eq | BinOpKind::Ne => {
                self.meter(left, READ);
                self.meter(right, READ);
            }
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
                self.meter(left, READ);
                self.meter(right, READ);
            }
        }
    }

    /// `a * b` becomes `(a)|_times(b)`: what a text is repeated to has to be known before it is made.
    fn times(&mut self, left: &Expr<'_>, right: &Expr<'_>) {
        let (from, to) = (left.span().end_offset as usize, start(right, self.source));
        let sign = self.source.get(from..to).and_then(|between| between.find('*'));
        let Some(sign) = sign else {
            return self.refuse("what is multiplied here cannot be told".to_owned(), left.span());
        };
        self.put(offset(start(left, self.source)), false, "(".to_owned());
        self.edits.push(Edit { at: from + sign, takes: 1, ends: true, puts: format!(")|{TIMES}(") });
        self.put(right.span().end_offset, true, ")".to_owned());
    }

    /// A list or an object of which something is not known yet.
    fn literal<'e, 'a: 'e>(&mut self, whole: &Expr<'_>, parts: impl Iterator<Item = &'e Expr<'a>>) {
        let mut known = true;
        for part in parts {
            self.expression(part);
            known &= matches!(part, Expr::Const(_));
        }
        if !known {
            self.meter(whole, READ);
        }
    }

    fn call(&mut self, call: &Call<'_>) {
        self.expression(&call.expr);
        // What a method does with its arguments is not known; a macro only names them.
        let method = matches!(call.identify_call(), CallType::Method(..));
        self.arguments(&call.args, Some(if method { READ } else { KEPT }));
    }

    fn arguments(&mut self, all: &[CallArg<'_>], meter: Option<&str>) {
        for one in all {
            match one {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => {
                    self.expression(value);
                    if let Some(meter) = meter {
                        self.meter(value, meter);
                    }
                }
                CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    self.refuse("arguments cannot be unpacked from a list or an object".to_owned(), value.span());
                }
            }
        }
    }

    /// Has the value of an expression pass this filter.
    fn meter(&mut self, expression: &Expr<'_>, filter: &str) {
        if !matches!(expression, Expr::Const(_)) {
            self.put(offset(start(expression, self.source)), false, "((".to_owned());
            self.put(expression.span().end_offset, true, format!(")|{filter})"));
        }
    }

    fn put(&mut self, at: u32, ends: bool, puts: String) {
        self.edits.push(Edit { at: at as usize, takes: 0, ends, puts });
    }

    /// What has a meaning among several templates only.
    fn alone(&mut self, statement: &str, at: Span) {
        self.refuse(format!("{statement} is not taken: there is one template, and no other that it could be for"), at);
    }

    fn refuse(&mut self, problem: String, at: Span) {
        self.refused.get_or_insert(TemplateProblem { problem, line: usize::from(at.start_line) });
    }

    fn written(mut self) -> String {
        // Stable: what is nested deeper ends first.
        self.edits.sort_by_key(|edit| (edit.at, !edit.ends));
        let mut written = String::with_capacity(self.source.len() + self.edits.len() * 8);
        let mut from = 0;
        for edit in &self.edits {
            written.push_str(self.source.get(from..edit.at).unwrap_or_default());
            written.push_str(&edit.puts);
            from = edit.at + edit.takes;
        }
        written.push_str(self.source.get(from..).unwrap_or_default());
        written
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
