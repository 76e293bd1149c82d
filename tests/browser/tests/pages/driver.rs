//! Chromium with nothing kept from before, driven by chromedriver; both end with the test, however it ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use url::{ParseError, Url};

use crate::site::Site;

/// How long a page may take to say something, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the driver is started at most.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// The reader's settings.
pub(crate) struct Reader {
    /// Languages, the preferred one first.
    pub(crate) languages: &'static str,
    /// Whether scripts may run.
    pub(crate) scripts: bool,
    /// The size of the window.
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Default for Reader {
    fn default() -> Self {
        Self { languages: "en-GB,en", scripts: true, width: 800, height: 680 }
    }
}

/// A browser.
pub(crate) struct Browser {
    client: Client,
    chromium: Option<Pid>,
    driver: Driver,
    /// Its profile and whatever else it writes; removed when the processes are gone.
    _files: TempDir,
}

struct Driver {
    child: Child,
    /// Kept, so that the driver can go on writing.
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start(files: &TempDir) -> (Self, u16) {
        // The driver listens on two loopbacks by one number, and ends where the number that it drew is free on one
        // alone.
        let mut said = String::new();
        let started = (0..TRIES).find_map(|_| Self::try_start(files, &mut said));
        started.unwrap_or_else(|| unreachable!("chromedriver ends each time without saying its port: {said}"))
    }

    fn try_start(files: &TempDir, said: &mut String) -> Option<(Self, u16)> {
        // Where the test ends without dropping it (a signal), the kernel ends the driver, and the browser ends when its
        // pipe to the driver does.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "chromedriver", "--port=0"])
            .env("HOME", files.path())
            .env("TMPDIR", files.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is missing: `cargo xtask test` installs it (Debian: apt install chromium chromium-driver)");
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut driver = Self { child, output };
        let mut line = String::new();
        while driver.output.read_line(&mut line).unwrap() > 0 {
            let port = line.trim().strip_suffix('.').and_then(|line| line.rsplit_once("started successfully on port "));
            if let Some((_, port)) = port {
                let port = port.parse().unwrap();
                return Some((driver, port));
            }
            said.push_str(&line);
            line.clear();
        }
        None
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is in a group of its own; its helpers end with it.
        if let Some(chromium) = self.chromium {
            let _ = kill_process(chromium, Signal::KILL);
        }
    }
}

impl Browser {
    /// Opens one that finds every host at the site.
    pub(crate) async fn open(site: &Site, reader: Reader) -> Self {
        let files = tempfile::Builder::new().prefix("browser").tempdir().unwrap();
        let (driver, port) = Driver::start(&files);
        let profile = files.path().join("profile");
        let arguments = [
            "--headless".to_owned(),
            "--remote-debugging-pipe".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--no-proxy-server".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--force-color-profile=srgb".to_owned(),
            "--ignore-certificate-errors".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={},{}", reader.width, reader.height),
            format!("--host-resolver-rules=MAP * 127.0.0.1:{}", site.port),
        ];
        let preferences = json!({
            "intl.accept_languages": reader.languages,
            "profile.managed_default_content_settings.javascript": if reader.scripts { 1 } else { 2 },
        });
        let wanted = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let process = client.capabilities().and_then(|found| found.get("goog:processID")?.as_i64());
        let chromium = process.and_then(|process| Pid::from_raw(i32::try_from(process).ok()?));
        let browser = Self { client, chromium, driver, _files: files };
        browser.size(reader.width, reader.height).await;
        browser
    }

    /// Makes the page's own area this large.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    pub(crate) async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// The first such element, as soon as there is one: on a busy machine the driver may look between two documents,
    /// where there is none.
    async fn find(&self, selector: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).every(PAUSE).for_element(Locator::Css(selector)).await;
        assert!(found.is_ok(), "there is no {selector} on the page: {}", self.client.source().await.unwrap());
        found.unwrap()
    }

    /// Presses the page's one button, which leads to another page.
    pub(crate) async fn press(&self) {
        self.leave("button").await;
    }

    /// Presses the page's one button, where the browser will go nowhere.
    pub(crate) async fn press_in_vain(&self) {
        self.find("button").await.click().await.unwrap();
    }

    pub(crate) async fn follow(&self) {
        self.leave("main a").await;
    }

    /// Clicks on what leads away. A click is over before the next page is there: what is looked for at once may be
    /// found on the page that is about to go, so this waits until that is gone.
    async fn leave(&self, selector: &str) {
        let page = self.find("html").await;
        self.find(selector).await.click().await.unwrap();
        let gone = timeout(PATIENCE, async {
            // Whatever the driver says of the root of a page that was left, it is an error.
            while page.tag_name().await.is_ok() {
                sleep(PAUSE).await;
            }
        });
        assert!(gone.await.is_ok(), "{selector} leads nowhere: {}", self.client.source().await.unwrap());
    }

    /// Types a key into whatever has the focus.
    pub(crate) async fn key(&self, key: fantoccini::key::Key) {
        self.client.active_element().await.unwrap().send_keys(&key.to_string()).await.unwrap();
    }

    /// Waits until the page says something.
    pub(crate) async fn sees(&self, words: &str) {
        let place = format!("//body//*[contains(normalize-space(.), \"{words}\")]");
        let found = self.client.wait().at_most(PATIENCE).every(PAUSE).for_element(Locator::XPath(&place)).await;
        assert!(found.is_ok(), "{words:?} is not on the page: {}", self.client.source().await.unwrap());
    }

    /// Whether there is such an element.
    pub(crate) async fn has(&self, selector: &str) -> bool {
        !self.client.find_all(Locator::Css(selector)).await.unwrap().is_empty()
    }

    /// The text of one element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// An attribute of one element.
    pub(crate) async fn attribute(&self, selector: &str, name: &str) -> String {
        self.find(selector).await.attr(name).await.unwrap().unwrap_or_default()
    }

    /// What a script answers that the driver runs in the page.
    pub(crate) async fn asks(&self, script: &str) -> Json {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until the console holds a warning or an error with one of these words: a browser writes it down when it
    /// comes to it.
    pub(crate) async fn complains(&self, words: &[&str]) {
        let mut held = Vec::new();
        let said = timeout(PATIENCE, async {
            while !held.iter().any(|complaint: &String| words.iter().any(|word| complaint.contains(word))) {
                sleep(PAUSE).await;
                held.extend(self.complaints().await);
            }
        });
        assert!(said.await.is_ok(), "none of {words:?} is in the console: {held:?}");
    }

    /// What the console holds of warnings and errors since it was last asked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({"type": "browser"})).await.unwrap();
        let bad = |entry: &&Json| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let text = |entry: &Json| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().unwrap().iter().filter(bad).map(text).collect()
    }

    /// The page as it looks, as a PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let answer = self.devtools("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": false})).await;
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    async fn devtools(&self, name: &str, parameters: Json) -> Json {
        self.command("goog/cdp/execute", json!({"cmd": name, "params": parameters})).await.unwrap()
    }

    async fn command(&self, path: &'static str, body: Json) -> Result<Json, CmdError> {
        self.client.issue_cmd(Extension { path, body }).await
    }

    /// The driver's process, and the browser's.
    pub(crate) fn processes(&self) -> [i32; 2] {
        let driver = i32::try_from(self.driver.child.id()).unwrap();
        [driver, self.chromium.expect("the driver says its browser's process").as_raw_nonzero().get()]
    }
}

/// A command of chromedriver that `WebDriver` does not have.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Json,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
