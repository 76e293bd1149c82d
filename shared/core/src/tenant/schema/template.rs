//! Templates of mails as a tenant's file has them. The command line makes of them what the configuration stores: a
//! subject, a text and an HTML.

use schemars::JsonSchema;

use super::text::TemplateText;

/// The template of a mail in one language. `mjml`, `mjml_file`, `html` or `html_file` gives the HTML, `text` or
/// `text_file` the plain text; one of both is needed. Files stand in the folder of the tenant's file or below it.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    { "required": ["text"] }, { "required": ["text_file"] }, { "required": ["html"] }, { "required": ["html_file"] },
    { "required": ["mjml"] }, { "required": ["mjml_file"] },
]))]
#[expect(dead_code, reason = "nothing is read by it: it says what the command line takes")]
pub(in crate::tenant) struct TemplateFile {
    /// The template of the subject.
    #[schemars(with = "TemplateText", extend("examples" = ["Please confirm, {{ data.first_name }}"]))]
    subject: String,
    /// The template of the plain text. Without it and `text_file`, it is made from the HTML.
    #[schemars(with = "Option<TemplateText>", extend("examples" = ["Please confirm: {{ links.accept }}\n"]))]
    text: Option<String>,
    /// The file of the template of the plain text, in place of `text`.
    #[schemars(with = "Option<String>", extend("x-type" = "file", "examples" = ["confirm.en.txt"]))]
    text_file: Option<String>,
    /// The template of the HTML. Without it, `html_file`, `mjml` and `mjml_file`, the mail has a plain text alone.
    #[schemars(with = "Option<TemplateText>", extend("examples" = ["<a href=\"{{ links.accept }}\">Confirm</a>"]))]
    html: Option<String>,
    /// The file of the template of the HTML, in place of `html`.
    #[schemars(with = "Option<String>", extend("x-type" = "file", "examples" = ["confirm.en.html"]))]
    html_file: Option<String>,
    /// The template of the HTML in [MJML](https://mjml.io), which is compiled when the file is read: in place of
    /// `html`.
    #[schemars(with = "Option<TemplateText>", extend("x-type" = "MJML", "examples" = ["<mjml><mj-body>...</mj-body></mjml>"]))]
    mjml: Option<String>,
    /// The file of the template in MJML, in place of `mjml`.
    #[schemars(with = "Option<String>", extend("x-type" = "file", "examples" = ["confirm.en.mjml"]))]
    mjml_file: Option<String>,
}
