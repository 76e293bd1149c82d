//! What a template can take of the function's memory, counted by the allocator: some 16 MB above the event, whatever it
//! does.

use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantSummary;
use acequia_core::template::{Context, Template};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const MOST: usize = 24 * 1024 * 1024;

/// One test alone: others in this process would be counted with it.
#[test]
fn no_template_takes_more_than_some_megabytes_above_its_event() {
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
    let body = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{{"x":"{}","l":[{}]}}}}"#,
        "a".repeat(700_000),
        vec!["1"; 50_000].join(",")
    );
    let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
    let context = Context::new(&tenant, &envelope);
    let sets = |statement: &str, times: usize| {
        format!("{{% set x = ['xy'] %}}{{% set t = 'xy' %}}{}", statement.repeat(times))
    };
    let rows = "<tr><td>a row of a table that the template itself writes</td></tr>".repeat(30);
    for source in [
        sets("{% set t = t ~ t %}", 40),
        sets("{% set t = t + t %}", 40),
        sets("{% set x = x + x %}", 40),
        sets("{% set x = [x, x] %}", 90),
        sets("{% set x = x|batch(1) %}", 9000),
        sets("{% set t = t|replace('x', 'yyyyyyyyyyyyyyyyyyyy')|replace('y', 'xxxxxxxxx') %}", 40),
        sets("{% set t = t|indent(100000, true) %}", 40),
        sets("{% set t = t|pprint %}", 60),
        sets("{% set t = t|tojson %}", 60),
        sets("{% set t = t|e %}{% set t = t ~ '&&&&&&&&' ~ t %}", 40),
        sets("{% set t = '%100000s'|format(t) ~ t %}", 400),
        sets("{% set t = t * 100 %}", 40),
        "{% set z %}{% for i in range(100000) %}{{ data.x }}{% endfor %}{% endset %}".to_owned(),
        format!("{{% set z %}}{{% for i in range(40000) %}}{rows}{{% endfor %}}{{% endset %}}"),
        format!(
            "{{% macro m() %}}{rows}{{% endmacro %}}{{% set z %}}{{% for i in range(40000) %}}{{{{ m() }}}}{{% endfor %}}{{% endset %}}"
        ),
        format!("{{% macro m(n) %}}{}{{{{ m(n + 1) }}}}{{% endmacro %}}{{{{ m(0) }}}}", rows.repeat(100)),
        "{% set z %}{% for i in data.l %}{% for j in data.l %}{{ loop.index }}{% endfor %}{% endfor %}{% endset %}"
            .to_owned(),
        "{{ data.l|map('string')|map('upper')|map('list')|list|length }}".to_owned(),
        "{{ data.x|list|length }}{{ data.x|split('')|length }}".to_owned(),
        "{{ data.l|batch(1)|map('batch', 1)|list|length }}{{ data.l|groupby('x')|length }}".to_owned(),
        "{{ data|tojson(indent=16)|length }}{{ data|pprint|length }}".to_owned(),
        "{{ [data, data, data, data, data, data, data, data] ~ '' }}".to_owned(),
        "{{ data.x|upper|lower|title|capitalize|trim|reverse|length }}".to_owned(),
        "{{ range(100000)|list|zip(range(100000)|list, range(100000)|list)|list|length }}".to_owned(),
    ] {
        for html in [false, true] {
            let template = Template::compile("text", &source, html).unwrap();
            PEAK.reset_peak_usage();
            let before = PEAK.current_usage();
            let _ = template.render(&context);
            let taken = PEAK.peak_usage().saturating_sub(before);
            assert!(taken <= MOST, "{}: {taken} bytes", source.chars().take(120).collect::<String>());
            let left = PEAK.current_usage().saturating_sub(before);
            assert!(left < 1024 * 1024, "{}: {left} bytes are left", source.chars().take(120).collect::<String>());
        }
    }
}
