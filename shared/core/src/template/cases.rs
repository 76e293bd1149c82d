//! What templates say of an event.

use crate::event::envelope::Envelope;
use crate::event::proca::Personal;
use crate::id::TenantSummary;

use super::*;

fn render(source: &str, data: &str, html: bool) -> Result<String, Cause> {
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme & Co".to_owned() };
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
    let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
    Template::compile("text", source, html).unwrap().render(&Context::new(&tenant, &envelope))
}

#[test]
fn data_event_and_tenant_can_be_named() {
    let text = render("{{ data.name }} {{ event.id }} {{ event.type }} {{ tenant.name }}", r#"{"name":"Ana"}"#, false);
    assert_eq!(text.unwrap(), "Ana 1 t Acme & Co");
}

#[test]
fn html_is_escaped_and_text_is_not() {
    assert_eq!(render("{{ data.n }}", r#"{"n":"<b>"}"#, true).unwrap(), "&lt;b&gt;");
    assert_eq!(render("{{ data.n }}", r#"{"n":"<b>"}"#, false).unwrap(), "<b>");
}

#[test]
fn a_missing_and_a_null_variable_fail_with_their_line_and_a_default_helps() {
    for data in ["{}", r#"{"name":null}"#] {
        let error = render("Dear\n{{ data.name }}", data, false).unwrap_err();
        assert_eq!(error, Cause::TemplateVariable { field: "text", line: 2 });
        assert_eq!(render("{{ data.name | default('you') }}", data, false).unwrap(), "you");
        assert_eq!(render("{% if data.name %}x{% endif %}", data, false).unwrap(), "");
    }
    assert!(matches!(render("{{ data.name }}", "null", false), Err(Cause::TemplateVariable { .. })));
}

#[test]
fn a_template_that_does_not_compile_or_names_no_variable_is_refused_with_its_line() {
    let problem = Template::compile("text", "a\nb {{ data. }}", false).unwrap_err();
    assert_eq!(problem.line, 2);
    let problem = Template::compile("text", "a\n\n{{ dta.name }}", false).unwrap_err();
    assert_eq!(problem.line, 3);
    assert!(problem.problem.contains("\"dta\""), "{}", problem.problem);
    assert!(Template::compile("text", "{% for i in range(3) %}{{ i }}{% endfor %}", false).is_ok());
}

#[test]
fn a_mails_template_can_name_its_links_and_no_link_that_there_is_not() {
    let template = Template::compile_mail("text", "{{ links.accept }} {{ mail.kind }} {{ data.x }}", false).unwrap();
    assert!(template.uses("links") && !template.uses("event"));
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
    let body = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"x":1}}"#;
    let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body).unwrap();
    let links = Some([("accept", "https://a.example/c".to_owned())].into());
    let mail = MailContext { kind: "confirm".to_owned(), links, ..MailContext::default() };
    let context = Context::new(&tenant, &envelope);
    assert_eq!(template.render(&context.clone().with_mail(mail)).unwrap(), "https://a.example/c confirm 1");
    let without = context.with_mail(MailContext::default());
    assert!(matches!(template.render(&without), Err(Cause::TemplateVariable { .. })));
    let problem = Template::compile_mail("text", "a\n{{ links.acept }}", false).unwrap_err();
    assert_eq!(problem.line, 2);
    assert!(problem.problem.contains("acept") && problem.problem.contains("unsubscribe"), "{}", problem.problem);
    assert!(Template::compile("text", "{{ links.accept }}", false).is_err());
}

#[test]
fn a_link_stands_in_html_as_it_is_and_what_comes_from_the_event_is_escaped() {
    let template = Template::compile_mail("html", "<a href=\"{{ links.accept }}\">{{ data.name }}</a>", true).unwrap();
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
    let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"name":"</a>"}}"#;
    let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
    let links = Some([("accept", "https://a.example/c/acme/x".to_owned())].into());
    let context = Context::new(&tenant, &envelope).with_mail(MailContext { links, ..MailContext::default() });
    assert_eq!(template.render(&context).unwrap(), "<a href=\"https://a.example/c/acme/x\">&lt;&#x2f;a&gt;</a>");
}

#[test]
fn procas_names_are_filled_from_its_messages_and_from_nothing_else() {
    let source = "{{ firstName }} {{ campaign.title }} {{ fields.age }} {{ data.contact.email }} {{ confirmLink }}";
    let template = Template::compile_mail("text", source, false).unwrap();
    let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
    let context = |body: &str, personal: Option<Personal>| {
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        let links = Some([("accept", "https://a.example/c".to_owned())].into());
        let mail = MailContext { links, ..MailContext::default() };
        Context::with_personal(&tenant, &envelope, personal).with_mail(mail)
    };
    let open = r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"campaign":{"title":"No coal"},
        "action":{"customFields":{"age":30}},"contact":{"firstName":"Ana","email":"ana@example.org"}}"#;
    assert_eq!(template.render(&context(open, None)).unwrap(), "Ana No coal 30 ana@example.org https://a.example/c");
    let closed = open.replace(r#""firstName":"Ana","email":"ana@example.org""#, r#""contactRef":"c-1""#);
    assert!(matches!(template.render(&context(&closed, None)), Err(Cause::TemplateVariable { .. })));
    let personal = Personal::read(r#"{"firstName":"Ana","email":"ana@example.org"}"#);
    assert!(template.render(&context(&closed, personal)).unwrap().contains("ana@example.org"));
    let cloud = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"x":1}}"#;
    assert!(matches!(template.render(&context(cloud, None)), Err(Cause::TemplateVariable { .. })));
}

#[test]
fn work_and_size_are_bounded() {
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}";
    assert!(matches!(render(endless, "{}", false), Err(Cause::TemplateFailed { .. })));
    let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(100_000));
    let large = "{% for a in range(20) %}{{ data.x }}{% endfor %}";
    let error = render(large, &data, false).unwrap_err();
    assert!(error.to_string().contains("1 MiB"), "{error}");
}

#[test]
fn an_error_does_not_quote_the_event() {
    let error = render("{{ data.name | int }}", r#"{"name":"ana@example.org"}"#, false).unwrap_err();
    assert!(!error.to_string().contains("ana@"), "{error}");
}
