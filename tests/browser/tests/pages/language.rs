//! The reader's language, or else the tenant's.

use acequia_core::consent::token::Purpose;

use crate::driver::{Browser, Reader};
use crate::world::{ACME, World};

#[tokio::test]
async fn a_page_speaks_the_readers_language_or_else_the_tenants() {
    let german = ACME.replace(r#""default_locale":"en""#, r#""default_locale":"de""#);
    for (languages, document, tag, heading, button) in [
        ("en-GB,en", ACME, "en", "Please confirm your signature", "Yes, I confirm"),
        ("fr-CA,fr", ACME, "fr", "Merci de confirmer votre signature", "Oui, je confirme"),
        ("pt-BR,es,en", ACME, "es", "Confirme su firma, por favor", "Sí, confirmo"),
        ("pt-BR", &german, "de", "Bitte bestätigen Sie Ihre Unterschrift", "Ja, ich bestätige"),
        ("pt-BR", ACME, "en", "Please confirm your signature", "Yes, I confirm"),
    ] {
        let world = World::of(document).await;
        let browser = Browser::open(&world.site, Reader { languages, ..Reader::default() }).await;
        browser.goto(&world.link(Purpose::Accept)).await;
        let found = (browser.attribute("html", "lang").await, browser.text("h1").await, browser.text("button").await);
        assert_eq!(found, (tag.to_owned(), heading.to_owned(), button.to_owned()), "{languages}");
        browser.press().await;
        assert_eq!(browser.attribute("html", "lang").await, tag, "after the answer too");
    }
}
