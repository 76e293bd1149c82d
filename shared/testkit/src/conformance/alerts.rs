//! The suite of the way to the operators: what they are told arrives, and says whose it is.

use acequia_core::port::Alerts;

use crate::build::tenant_id;

/// What operators read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The tenant that it is about, by which a subscription can choose.
    pub tenant: Option<String>,
}

impl Read {
    fn new(subject: &str, text: &str, tenant: Option<&str>) -> Self {
        Self { subject: subject.to_owned(), text: text.to_owned(), tenant: tenant.map(str::to_owned) }
    }
}

/// Alerts to operators, of which a test knows what the operators read.
pub trait AlertsInTest: Alerts {
    /// All that they have read, once it is so much, in any order.
    fn read(&self, count: usize) -> impl Future<Output = Vec<Read>>;
    /// A way that leads to no operators.
    fn astray(&self) -> impl Alerts;
}

impl AlertsInTest for crate::InMemoryAlerts {
    async fn read(&self, _count: usize) -> Vec<Read> {
        let of_tenants =
            self.told().into_iter().map(|(tenant, subject, text)| (subject, text, Some(tenant.to_string())));
        let of_all = self.told_of_all().into_iter().map(|(subject, text)| (subject, text, None));
        of_tenants.chain(of_all).map(|(subject, text, tenant)| Read { subject, text, tenant }).collect()
    }

    fn astray(&self) -> impl Alerts {
        let astray = Self::new();
        astray.faults.go_down();
        astray
    }
}

/// The text in several lines, with letters of any language.
pub async fn what_is_about_a_tenant_arrives_with_the_tenant_beside_it(alerts: &impl AlertsInTest) {
    let text = "The endpoint of crm is down.\nLäuft seit 3 Stunden nicht: <https://crm.example.org>";
    alerts.send(&tenant_id("al-one"), "crm of al-one: open", text).await.unwrap();
    assert_eq!(alerts.read(1).await, [Read::new("crm of al-one: open", text, Some("al-one"))]);
}

/// So that a subscription of one tenant's alerts does not get it.
pub async fn what_is_about_no_one_tenant_arrives_without_a_tenant(alerts: &impl AlertsInTest) {
    alerts.send_of_platform("Two queues are deep", "a\nb").await.unwrap();
    assert_eq!(alerts.read(1).await, [Read::new("Two queues are deep", "a\nb", None)]);
}

/// The longest that there may be.
pub async fn a_subject_of_a_hundred_characters_arrives_whole(alerts: &impl AlertsInTest) {
    let subject = format!("{}!", "s".repeat(99));
    alerts.send(&tenant_id("al-long"), &subject, "text").await.unwrap();
    alerts.send_of_platform(&subject, "text").await.unwrap();
    let mut read = alerts.read(2).await;
    read.sort();
    assert_eq!(read, [Read::new(&subject, "text", None), Read::new(&subject, "text", Some("al-long"))]);
}

/// Even where one tenant's name begins with the other's.
pub async fn each_of_two_tenants_alerts_names_its_own(alerts: &impl AlertsInTest) {
    for tenant in ["al-iso", "al-iso-b"] {
        alerts.send(&tenant_id(tenant), tenant, "text").await.unwrap();
    }
    let mut read = alerts.read(2).await;
    read.sort();
    assert_eq!(read, ["al-iso", "al-iso-b"].map(|tenant| Read::new(tenant, "text", Some(tenant))));
}

/// Whether a tenant is named or not.
pub async fn what_reaches_no_operators_is_an_error(alerts: &impl AlertsInTest) {
    let astray = alerts.astray();
    assert!(astray.send(&tenant_id("al-astray"), "subject", "text").await.is_err());
    assert!(astray.send_of_platform("subject", "text").await.is_err());
}
