//! Double opt-in from end to end: people sign, are asked by mail, answer through the links, and the sinks hear of
//! exactly the actions that the answers release. `cargo xtask demo --consent` shows it, and `cargo xtask test` runs it.
//!
//! Everything is real but the mail: the local SES takes it, and it is read back there. What bounces, bounces by SES's
//! mailbox simulator, and the way of that notice is the real one too.

mod account;
mod mailbox;
mod people;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::host;
use crate::local::Local;
use crate::queue::{self, Queue};
use crate::report::{self, Check};
use crate::stack::{TenantStack, link_base};
use account::Account;
use mailbox::{Browser, Mail};
use people::{Answer, CYCLE, Person, people};

/// The tenant's stack.
pub(crate) const STACK: TenantStack =
    TenantStack { tenant: TENANT, parameters: &["Webhook=enabled", "Email=enabled", "SenderDomains=dalia.example"] };

const TENANT: &str = "dalia";
const ENDPOINT: &str = "dalia-crm";
const SENDER_DOMAIN: &str = "dalia.example";

/// How long each part may take beyond the sending: everything runs on the same few cores.
const WITHIN: Duration = Duration::from_mins(4);
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// How many links are opened at once.
const READERS: usize = 4;

/// Reads a number of people.
pub(crate) fn people_count(text: &str) -> Result<u32, String> {
    let count: u32 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (CYCLE..=10_000).contains(&count) && count.is_multiple_of(CYCLE) {
        Ok(count)
    } else {
        Err(format!("it must be a multiple of {CYCLE} from {CYCLE} to 10000, so that the shares are exact"))
    }
}

/// Writes the secrets and applies examples/tenants/dalia.toml, with the receiver's address in it.
pub(crate) fn configure(local: &Local) -> Result<()> {
    local.verify_domain(SENDER_DOMAIN)?;
    local.acequia.run(&["secret", "put", TENANT, "links", "--for", "link", "--generate"], "")?;
    let secret = local.receiver.define(ENDPOINT, true)?;
    local.acequia.put_secret(TENANT, "webhook", "crm", &secret)?;
    let example = host::path("examples/tenants/dalia.toml");
    let text = fs::read_to_string(&example).with_context(|| format!("cannot read {}", example.display()))?;
    let url = "https://crm.dalia.example/hooks/acequia";
    if !text.contains(url) {
        bail!("{} has another endpoint than {url}", example.display());
    }
    let file = host::scratch("tenants/dalia.toml");
    fs::create_dir_all(host::scratch("tenants")).context("cannot make .local/tenants")?;
    // People whose mails bounce share one mailbox, that of SES's simulator, whatever they write behind the plus: that
    // mailbox must be asked once for each of them.
    let bound = "asks_per_day = 10\n";
    if !text.contains(bound) {
        bail!("{} has another bound of questions than {}", example.display(), bound.trim());
    }
    let text = text.replacen(bound, "asks_per_day = 1000\n", 1);
    fs::write(&file, text.replace(url, &local.receiver.url(ENDPOINT)))
        .with_context(|| format!("cannot write {}", file.display()))?;
    local.acequia.apply(&file)
}

/// Runs the scenario with so many people, who sign at `rate` per second. When the mails are there, `show` gets the link
/// of a person who never answers. Returns the claims of the proof, with their counts.
pub(crate) fn run(local: &Local, count: u32, rate: u32, show: impl FnOnce(&str)) -> Result<Vec<Check>> {
    let people = people(count);
    let base = link_base(&local.aws.address);
    let mut checks = Vec::new();
    let lines = people::lines(&people);
    let repeated = lines.len() - people.len();
    report::step(&format!("{count} people sign ({repeated} of them twice), {rate} per second"), || {
        local.acequia.send(TENANT, &lines, rate)
    })?;
    let asked = report::step("each of them is asked, once", || wait_for_questions(local, &base, &people))?;
    checks.push(Account::take(local, &base)?.asked(&people));
    if let Some(mail) = mail_of(&asked, &people, Answer::Nothing) {
        show(first_link(mail)?);
    }
    report::step("scanners open every link, and change nothing", || scan(&asked))?;
    settle(local)?;
    checks.push(Account::take(local, &base)?.silent(asked.len()));
    report::step("those who answer open the page and press its button", || answer(&asked, &people))?;
    report::step("the sinks hear of it", || wait_for_sinks(local, &base, &people))?;
    settle(local)?;
    let account = Account::take(local, &base)?;
    checks.extend(account.delivered(&people));
    checks.push(press_again(&asked, &people, local, &account, &base)?);
    checks.push(nothing_dead(local)?);
    checks.push(secrecy(local, &asked, &base)?);
    checks.push(forgotten(local, &people)?);
    Ok(checks)
}

/// The mail that asks, by address.
type Asked = BTreeMap<String, Mail>;

fn mail_of<'a>(asked: &'a Asked, people: &[Person], answer: Answer) -> Option<&'a Mail> {
    people.iter().filter(|person| person.answer == answer).find_map(|person| asked.get(&person.address))
}

fn first_link(mail: &Mail) -> Result<&str> {
    mail.links.first().map(String::as_str).with_context(|| format!("the mail {:?} has no link", mail.subject))
}

/// Waits until everybody was asked, and what bounced is known.
fn wait_for_questions(local: &Local, base: &str, people: &[Person]) -> Result<Asked> {
    wait(local, "everybody is asked", || {
        let account = Account::take(local, base)?;
        let bounced = people::count(people, Answer::Bounce);
        let (asked, all) = (account.questions(), people.len());
        let shown = format!("{asked} of {all} asked, {} of {bounced} bounced", account.bounced());
        Ok((asked >= all && account.bounced() >= bounced, shown))
    })?;
    settle(local)?;
    let mut asked = Asked::new();
    for mail in mailbox::read(local, base)? {
        asked.entry(mail.to.clone()).or_insert(mail);
    }
    Ok(asked)
}

fn wait_for_sinks(local: &Local, base: &str, people: &[Person]) -> Result<()> {
    wait(local, "the sinks hear of all answers", || {
        let account = Account::take(local, base)?;
        let (accepted, rejected) = (people::count(people, Answer::Accept), people::count(people, Answer::Reject));
        let (released, thanks) = (account.released(), account.thanks());
        let told = account.rejected();
        let shown =
            format!("{released} of {accepted} released, {thanks} of {accepted} thanked, {told} of {rejected} rejected");
        Ok((released >= accepted && thanks >= accepted && told >= rejected, shown))
    })
}

/// Polls until a condition holds, and prints what changes.
fn wait(local: &Local, what: &str, mut is_so: impl FnMut() -> Result<(bool, String)>) -> Result<()> {
    let start = host::now();
    let mut last = String::new();
    loop {
        let (done, shown) = is_so()?;
        if shown != last {
            println!("    {shown}");
            last = shown;
        }
        if done {
            return Ok(());
        }
        if start.elapsed() > WITHIN {
            let depths = local.acequia.run(&["status"], "")?;
            bail!("{what}: not within {} s; the logs are below .local/log\n{depths}", WITHIN.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until nothing is on its way, so that a surplus event or mail would have arrived.
fn settle(local: &Local) -> Result<()> {
    let mut calm = 0;
    let start = host::now();
    while calm < 2 {
        let of_tenant = queue::all(local)?.into_iter().filter(|((tenant, _), _)| tenant == TENANT);
        let waiting: u64 = of_tenant.map(|(_, queue)| Queue::waiting(&queue)).sum();
        calm = if waiting == 0 { calm + 1 } else { 0 };
        if start.elapsed() > WITHIN {
            bail!("{waiting} messages of {TENANT} are still on their way after {} s", WITHIN.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Does something to each mail, several at once.
fn each(mails: &[&Mail], work: impl Fn(&Browser, &Mail) -> Result<()> + Sync) -> Result<()> {
    let share = mails.len().div_ceil(READERS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = mails
            .chunks(share)
            .map(|mails| {
                let work = &work;
                scope.spawn(move || {
                    let browser = Browser::new();
                    mails.iter().try_for_each(|mail| work(&browser, mail))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a reader panicked")))
    })
}

fn scan(asked: &Asked) -> Result<()> {
    let mails: Vec<&Mail> = asked.values().collect();
    each(&mails, |browser, mail| {
        for link in &mail.links {
            browser.look(link)?;
            browser.glance(link)?;
        }
        Ok(())
    })
}

/// The mails to the people who give an answer, with the place of the link that they press.
fn answer(asked: &Asked, people: &[Person]) -> Result<()> {
    for (answer, place) in [(Answer::Accept, 0), (Answer::Reject, 1)] {
        let mails: Vec<&Mail> = of(asked, people, answer);
        each(&mails, |browser, mail| {
            let link =
                mail.links.get(place).with_context(|| format!("the mail {:?} has too few links", mail.subject))?;
            browser.press(link).map(drop)
        })?;
    }
    Ok(())
}

fn of<'a>(asked: &'a Asked, people: &[Person], answer: Answer) -> Vec<&'a Mail> {
    people.iter().filter(|person| person.answer == answer).filter_map(|person| asked.get(&person.address)).collect()
}

/// People who have confirmed open the link once more: the page says that it was so before, and no sink hears of it
/// again.
fn press_again(asked: &Asked, people: &[Person], local: &Local, before: &Account, base: &str) -> Result<Check> {
    let browser = Browser::new();
    let mails = of(asked, people, Answer::Accept);
    let mut opened = 0;
    for mail in mails.iter().take(10) {
        let link = first_link(mail)?;
        if browser.look(link)?.contains("name=\"do\"") {
            browser.press(link)?;
        }
        opened += 1;
    }
    settle(local)?;
    let after = Account::take(local, base)?;
    Ok(Check {
        holds: opened > 0 && after == *before,
        says: format!(
            "again: {opened} used links were opened once more, their buttons pressed, and no sink heard of it"
        ),
    })
}

/// The logs of all functions hold no address, no name and no link.
fn secrecy(local: &Local, asked: &Asked, base: &str) -> Result<Check> {
    let link = asked.values().next().map(first_link).transpose()?.unwrap_or_default();
    let token = link.trim_start_matches(&format!("{base}/c/{TENANT}/"));
    let personal = ["@example.org", "@simulator.amazonses.com", "first_name", token];
    let (counts, length) = local.search_logs(&personal)?;
    let found: u64 = counts.iter().sum();
    Ok(Check {
        holds: found == 0 && length > 0 && !token.is_empty(),
        says: format!("secrecy: {length} characters of logs hold {found} addresses, names or links"),
    })
}

/// What was agreed can be shown to the person, and forgotten.
fn forgotten(local: &Local, people: &[Person]) -> Result<Check> {
    let somebody = people.iter().find(|person| person.answer == Answer::Accept).context("nobody accepts")?;
    let export = |address: &str| local.acequia.run(&["consent", "export", TENANT, address], "");
    let before = export(&somebody.address)?.lines().count();
    local.acequia.run(&["consent", "erase", TENANT, &somebody.address, "--yes"], "")?;
    let after = local.acequia.run(&["consent", "export", TENANT, &somebody.address], "").unwrap_or_default();
    Ok(Check {
        holds: before >= 2 && after.is_empty(),
        says: format!(
            "proof: {before} lines say when and how somebody agreed; erased, {} are left",
            after.lines().count()
        ),
    })
}

fn nothing_dead(local: &Local) -> Result<Check> {
    let dead: Vec<String> = queue::all(local)?
        .into_iter()
        .filter(|((tenant, _), queue)| tenant == TENANT && queue.dead() > 0)
        .map(|((_, name), queue)| format!("{name}: {}", queue.dead()))
        .collect();
    let says = if dead.is_empty() { "none".to_owned() } else { dead.join(", ") };
    Ok(Check { holds: dead.is_empty(), says: format!("dead letters: {says}") })
}
