//! That templates pay for what they read and make, and say otherwise what they said without.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::event::envelope::Envelope;
use crate::id::TenantSummary;

fn context(data: &str) -> Context {
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
    Context::new(&tenant, &Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap())
}

fn render(source: &str, data: &str) -> Result<String, String> {
    let compiled = Template::compile("text", source, false).map_err(|problem| problem.problem)?;
    compiled.render(&context(data)).map_err(|cause| cause.to_string())
}

/// What minijinja says by itself.
fn plainly(source: &str, html: bool, context: &Context) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(move |_| if html { AutoEscape::Html } else { AutoEscape::None });
    environment.render_str(source, context.value())
}

const DATA: &str = r#"{"a":"Ana <x>","b":"b\u0001é","n":7,"f":2.5,"yes":true,"empty":"","list":["b","a","c"],
    "numbers":[3,1,2],"people":[{"name":"Ana","age":30},{"name":"Ben","age":20}],"deep":{"er":{"x":"y"}}}"#;

#[test]
fn what_grows_reads_or_nests_too_much_ends_with_a_reason_that_names_the_bound() {
    let text = format!(r#"{{"x":"{}"}}"#, "a".repeat(800_000));
    let doubled = format!("{{% set x = 'xy' %}}{}{{{{ x|length }}}}", "{% set x = x ~ x %}".repeat(27));
    let added = format!("{{% set x = 'xy' %}}{}{{{{ x|length }}}}", "{% set x = x + x %}".repeat(27));
    let listed = format!("{{% set x = [data.x] %}}{}{{{{ x ~ '' }}}}", "{% set x = x + x %}".repeat(13));
    let macros = format!(
        "{{% macro m(x) %}}{}{{{{ x }}}}{{% endmacro %}}{{{{ m(m('xy'))|length }}}}",
        "{% set x = x ~ x %}".repeat(15)
    );
    let calls = "{% macro m(x) %}{{ m(x ~ x) }}{% endmacro %}{{ m('xy') }}";
    let nested = format!("{{% set x = [1] %}}{}{{{{ x|length }}}}", "{% set x = x|batch(1) %}".repeat(5000));
    for source in [
        doubled.as_str(),
        &added,
        &listed,
        &macros,
        calls,
        "{{ '%1000000000d'|format(1) }}",
        "{{ '%*d'|format(1000000000, 1) }}",
        "{{ '%.1000000000f'|format(1.5) }}",
        "{{ data.x|replace('a', 'a\\n')|indent(2000) }}",
        "{{ data.x|indent(width=1000000000)|length }}",
        "{{ data.x|replace('a', 'aaaaaaaaaaaaaaaaaaaa')|length }}",
        "{{ data.x|replace('', 'aaaaaaaaaa')|length }}",
        "{{ data.x|replace('a', 'bb')|replace('b', 'cccc')|length }}",
        "{% set z %}{% for i in range(10000) %}{{ data.x }}{% endfor %}{% endset %}{{ z|length }}",
        "{% set z %}{% for i in range(10000) %}a text of the template itself, of some length, again and again, as loops write it in mails: it has some two hundred bytes and more, so that ten thousand rounds of it make some two millions, and a hundred of these{% for j in range(100) %}, which is much{% endfor %}{% endfor %}{% endset %}{{ z|length }}",
        "{% filter upper %}{% for i in range(10000) %}{{ data.x }}{% endfor %}{% endfilter %}",
        "{% for i in range(9000) %}{% if data.x|upper == 'B' %}x{% endif %}{% endfor %}",
        "{% for i in range(9000) %}{% if data.x == data.x ~ '' %}x{% endif %}{% endfor %}",
        "{% for i in range(9000) %}{% if 'b' in data.x %}x{% endif %}{% endfor %}",
        "{% for i in range(9000) %}{% if data.x is endingwith data.x %}x{% endif %}{% endfor %}",
        "{% for i in range(9000) %}{{ data.x[799999:] }}{% endfor %}",
        "{% for i in range(9000) %}{{ data.x[799999 + i - i] }}{% endfor %}",
        "{% for i in range(9000) %}{{ data.x|length }}{% endfor %}",
        "{{ data.x|list|length }}",
        "{{ data.x|split('')|length }}",
        "{{ (data.x ~ data.x)|list|length }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1, 2] * 1000000000 }}",
        "{{ 1000000000 * data.x }}",
        "{{ [1]|batch(1000000000, 'x')|length }}",
        "{{ [1]|slice(1000000000)|length }}",
        "{{ range(100000)|map(attribute='a', default=data.x)|join }}",
        "{{ range(100000)|map(attribute='a', default=data.x)|list ~ '' }}",
        "{{ range(100000)|join(data.x) }}",
        "{{ range(10000)|map('string')|sum(start='') }}",
        "{{ data|tojson(indent=100000) }}",
        &nested,
    ] {
        let error = render(source, &text).unwrap_err();
        let shown: String = source.chars().take(80).collect();
        let named =
            ["8 MiB", "100,000 steps", "100 levels", "50 levels", "by sum"].iter().any(|bound| error.contains(bound));
        assert!(named && error.contains("the template of text"), "{shown}: {error}");
    }
}

#[test]
fn what_cannot_be_metered_is_refused_with_its_line() {
    let branches = format!("{{% if data.a %}}{}{{% endif %}}", "{% elif data.a %}".repeat(10_000));
    for (source, words) in [
        ("x\n{% do range(3) %}", "do is not taken"),
        ("x\n{{ range(*data.list) }}", "unpacked"),
        ("x\n{{ dict(**data.deep) }}", "unpacked"),
        ("x\n{% for i in data.list recursive %}{{ loop(i) }}{% endfor %}", "recursive"),
        ("x\n{{ namespace(a=1) }}", "namespace"),
        ("x\n{{ debug() }}", "debug"),
        ("x\n{{ data.a|chain(data.a) }}", "\"chain\""),
        ("x\n{{ data.a|uper }}", "\"uper\""),
        ("x\n{% if data.a is numbre %}{% endif %}", "\"numbre\""),
        ("x\n{% block a %}{% endblock %}", "block"),
        ("x\n{% include data.a %}", "include"),
        (&format!("x\n{{{{ 1{} }}}}", " + 1".repeat(50_000)), "500 words"),
        (&format!("x\n{{{{ data{} }}}}", "|list".repeat(10_000)), "500 words"),
        (&format!("x\n{branches}"), "100 elif"),
    ] {
        let problem = Template::compile("text", source, false).unwrap_err();
        assert!(problem.problem.contains(words) && problem.line == 2, "{words}: {problem:?}");
    }
}

#[test]
fn what_mails_do_with_an_event_of_ordinary_size_is_far_below_the_bounds() {
    let people: Vec<_> = (0..500).map(|n| format!(r#"{{"name":"Person {n}","amount":{n}.5}}"#)).collect();
    let data = format!(r#"{{"people":[{}],"comment":"{}"}}"#, people.join(","), "words ".repeat(20_000));
    let source = "{% macro row(p, n) %}<tr><td>{{ n }}</td><td>{{ p.name|upper }}</td><td>{{ '%.2f'|format(p.amount) }}</td></tr>{% endmacro %}\
        {% set heading %}{{ tenant.name }} thanks {{ data.people|length }} people{% endset %}{{ heading }}{{ '-' * 40 }}\
        {% for p in data.people|sort(attribute='name') %}{{ row(p, loop.index) }}{% if loop.last %}{{ data.people|sum(attribute='amount') }}{% endif %}{% endfor %}\
        {% if 'words' in data.comment and data.comment != '' %}{{ data.comment|trim|replace('words', 'subject_actions')|indent(2) }}{% endif %}";
    let text = render(source, &data).unwrap();
    assert!(
        text.contains("PERSON 499") && text.contains("subject_actions") && text.contains("125000"),
        "{}",
        text.len()
    );
}

#[test]
fn meters_leave_what_a_template_says_as_it_was() {
    let context = context(DATA);
    for source in [
        "{{ (data.a) ~ (data.b) }}",
        "{{ ((data.a ~ data.n)|upper)|lower }}",
        "{{ (data.a if data.yes else data.b) ~ 'x' }}",
        "{{ ( ( data.list ) + ( data.numbers ) )[1:3]|join('-') }}",
        "{{ data.n * 3 + 2 * data.n * data.f }} {{ (data.n) * (2) }} {{ '-' * 3 }} {{ [1, data.n] * 2 }}",
        "{{ data.yes * -data.f }} {{ data.yes * data.n }} {{ -data.n * 2 }} {{ 2 ** 3 * 2 }} {{ 7 // 2 * 2 }} {{ 10 - 2 * 3 }}",
        "{{ not data.a is number }} {{ data.a is not number }} {{ 'b' not in data.list }} {{ not 'b' not in data.list }}",
        "{% for x in (data.list) %}{{ loop.index }}{{ x }}{% else %}none{% endfor %}",
        "{% for x in data.list if x != 'a' %}{{ x }},{% endfor %}{% for k in data.deep %}{{ k }}{% endfor %}",
        "{% for x, y in data.deep|items %}{{ x }}{{ y }}{% endfor %}",
        "{% set x = data.list, data.n %}{{ x[1] }}{{ x[0][1] }}{% set x, y = 1, 2 %}{{ x + y }}",
        "{% set x = (1, data.n) %}{{ x }}{% set x = [data.n] %}{{ x }}{% set x = {'k': data.n} %}{{ x.k }}{{ x }}",
        "{% set x %}<{{ data.a }}>{% endset %}{{ x }}{% set x | upper %}{{ data.a }}{% endset %}{{ x }}",
        "{% filter upper|trim %} {{ data.a }} {% endfilter %}",
        "{% with x = data.a, y = data.list + ['z'] %}{{ x }}{{ y }}{% endwith %}",
        "{% macro m(x, y='d') %}<{{ x }}{{ y }}{{ caller() if caller else '' }}>{% endmacro %}{{ m(data.a) ~ m(x=data.n, y=2) }}",
        "{% macro m(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{% call m(data.a) %}{{ data.b }}{% endcall %}",
        "{{ data.people|map(attribute='name')|join(', ') }}{{ data.people|selectattr('age', 'gt', 25)|list }}",
        "{{ data.people|groupby('age') }}{{ data.list|sort|first }}{{ data.list|unique|list }}{{ data.numbers|sum }}{{ data.list|zip(data.numbers)|list }}",
        "{{ data.a[0] }}{{ data.list[-1] }}{{ data['a'] }}{{ data[data.list[1]] }}{{ data.a[1:] }}{{ data.a[::-1] }}",
        "{{ 1 < data.n < 9 }}{{ data.n == 7 and data.a == 'x' or 'b' }}{{ data.deep == data.deep }}{{ 'er' in data.deep }}",
        "{% if data.missing is defined %}x{% elif data.n > 3 %}y{% endif %}{{ data.missing|default('d') }}{{ data.empty|default('d', true) }}",
        "{{ data.missing if false }}|{{ data.deep.er.x }}|{{ data|tojson(indent=2) }}|{{ data.list|pprint }}",
        "{{ data.list|batch(2, 'x')|list }}{{ data.list|slice(2)|list }}{{ data.deep|dictsort }}{{ 'a b'|split }}{{ 'a\nb'|lines }}",
        "{{ range(3) }}{{ range(3)|list }}{{ range(5)[2] }}{{ dict(a=data.n) }}{{ data.list|reverse|join }}{{ data.a|escape }}{{ data.a|safe }}",
        "{%- if data.yes -%}\n  x ~ y * {# a ~ comment #}  {%- endif %}{% raw %}{{ a ~ b }}{% endraw %}",
        "{% autoescape true %}{{ data.a ~ '<' }}{% endautoescape %}{% for a in data.list %}{{ loop.cycle('o', 'e') }}{{ loop.changed(a) }}{% endfor %}",
    ] {
        for html in [false, true] {
            let expected = plainly(source, html, &context).unwrap_or_else(|error| panic!("{source}: {error}"));
            let metered =
                Template::compile("text", source, html).unwrap_or_else(|problem| panic!("{source}: {problem:?}"));
            assert_eq!(metered.render(&context).as_deref(), Ok(expected.as_str()), "{source}");
        }
    }
}

/// Expressions of all kinds, with parentheses in all places.
fn expressions() -> impl Strategy<Value = String> {
    const LEAVES: &[&str] = &[
        "data.a",
        "data.b",
        "data.n",
        "data.f",
        "data.yes",
        "data.list",
        "data.numbers",
        "data.missing",
        "data.deep",
        "'x'",
        "2",
        "0",
        "['q', data.n]",
        "{'k': data.a}",
        "(1, data.n)",
        "data['a']",
    ];
    let leaf = proptest::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 3, |inner| {
        const OPERATORS: &[&str] =
            &["~", "+", "-", "*", "/", "//", "%", "==", "!=", "<", ">=", "in", "not in", "and", "or"];
        const ENDS: &[&str] = &[
            "|upper",
            "|length",
            "|list",
            "|default('d')",
            "|first",
            "|string",
            "|join('-')",
            "|replace('a', 'bb')",
            "[0]",
            "[1:]",
            "[data.n - 7]",
            ".er",
            " is defined",
            " is not number",
            "|reverse",
            "|tojson",
        ];
        prop_oneof![
            (inner.clone(), proptest::sample::select(OPERATORS), inner.clone())
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            (inner.clone(), proptest::sample::select(ENDS)).prop_map(|(value, end)| format!("{value}{end}")),
            inner.clone().prop_map(|value| format!("({value})")),
            inner.clone().prop_map(|value| format!("( {value} )|default(0)")),
            inner.clone().prop_map(|value| format!("not {value}")),
            inner.clone().prop_map(|value| format!("-{value}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a}|default({b})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, rng_seed: RngSeed::Fixed(46), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_expression_says_with_meters_what_it_says_without(expression in expressions()) {
        let context = context(DATA);
        let source = format!("{{% set v = {expression} %}}{{{{ v }}}}|{{{{ {expression} }}}}");
        let expected = plainly(&source, true, &context).ok();
        let metered = Template::compile("text", &source, true);
        // What does not parse does neither way.
        let metered = metered.ok().and_then(|template| template.render(&context).ok());
        prop_assert_eq!(metered, expected, "{}", source);
    }
}
