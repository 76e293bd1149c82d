//! What WCAG 2.2 AA asks of a page and can be measured in the browser (<https://www.w3.org/TR/WCAG22/>).

use fantoccini::key::Key;
use serde_json::Value as Json;

use crate::driver::Browser;

/// What is wrong with the page that the browser shows: nothing, it is hoped.
pub(crate) async fn flaws(browser: &Browser) -> Vec<String> {
    let mut flaws = texts(&browser.asks(&format!("{MEASURES}{CHECKS}")).await);
    let controls = browser.asks("return document.querySelectorAll('button, main a').length").await;
    for number in 0..controls.as_u64().unwrap() {
        browser.key(Key::Tab).await;
        let focus = FOCUS.replace("NUMBER", &number.to_string());
        flaws.extend(texts(&browser.asks(&format!("{MEASURES}{focus}")).await));
    }
    flaws
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Colours are read as the browser computed them; the numbers come from the criteria named.
const MEASURES: &str = r"
const flaws = [];
const check = (holds, flaw) => { if (!holds) flaws.push(flaw); };
const all = selector => [...document.querySelectorAll(selector)];
const numbers = colour => colour.match(/[\d.]+/g).map(Number);
const luminance = colour => {
  const [r, g, b] = numbers(colour).map(value => value / 255).map(s => s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (numbers(colour)[3] !== 0) return colour;
  }
  return 'rgb(255, 255, 255)';
};
";

const CHECKS: &str = r"
check(/^(en|fr|de|es)$/.test(document.documentElement.lang), '3.1.1: the page has no language');
check(document.title.trim() !== '', '2.4.2: the page has no title');
check(all('h1').length === 1 && all('h1')[0].innerText.trim() !== '', '1.3.1: the page has not one heading of the first level');
check(all('main').length === 1, '1.3.1: the page has not one main part');
check(all('img').every(image => image.alt.trim() !== ''), '1.1.1: an image has no text');
check(all('svg').every(image => image.ariaHidden === 'true'), '1.1.1: an ornament is not hidden');
check(all('[tabindex], [autofocus], [accesskey]').length === 0, '2.4.3: the order of focus is changed');
check(!/user-scalable|maximum-scale/.test(document.querySelector('meta[name=viewport]').content), '1.4.4: the page cannot be enlarged');
check(new Set(all('[id]').map(element => element.id)).size === all('[id]').length, '4.1.1: an id stands twice');
for (const element of all('body *')) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '');
  if (!own) continue;
  const style = getComputedStyle(element);
  const found = contrast(style.color, behind(element));
  check(found >= 4.5, `1.4.3: ${element.tagName} has a contrast of ${found.toFixed(2)}`);
  check(parseFloat(style.fontSize) >= 14, `${element.tagName} has letters of ${style.fontSize}`);
}
for (const control of all('button, main a')) {
  const box = control.getBoundingClientRect();
  check(control.innerText.trim().length > 2, '4.1.2: a control has no name');
  check(box.width >= 24 && box.height >= 24, `2.5.8: a control of ${box.width} x ${box.height}`);
}
for (const button of all('button')) {
  const found = contrast(getComputedStyle(button).borderTopColor, behind(button.parentElement));
  check(found >= 3, `1.4.11: the button's edge has a contrast of ${found.toFixed(2)}`);
}
return flaws;
";

/// After as many Tabs as are needed to come to it.
const FOCUS: &str = r"
const control = all('button, main a')[NUMBER];
const style = getComputedStyle(control);
check(document.activeElement === control, '2.1.1: a control takes no focus');
check(control.matches(':focus-visible') && style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2, '2.4.7: the focus is not seen');
check(contrast(style.outlineColor, behind(control.parentElement)) >= 3, '1.4.11: the focus is hardly seen');
return flaws;
";
