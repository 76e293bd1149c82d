//! Command lines as they stand in documents, taken apart as a shell does it, and no further than documents need.

/// Splits a line into the commands that it runs, each as its words. Quotes are taken off; comments, redirections and
/// variables that are set in front of a command are left out.
#[must_use]
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut splitter = Splitter::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match (splitter.quote, c) {
            (Some(quote), c) if c == quote => splitter.quote = None,
            (Some(_), c) => splitter.push(c),
            (None, '\'' | '"') => splitter.open(c),
            (None, '#') if splitter.word.is_none() => break,
            (None, '|' | ';' | '&') => splitter.end_command(),
            (None, '<') if next.is_some_and(char::is_alphabetic) => splitter.push(c),
            (None, '>') if splitter.word.as_ref().is_some_and(|word| word.contains('<')) => splitter.push(c),
            (None, '<' | '>') => splitter.redirect(),
            (None, c) if c.is_whitespace() => splitter.end_word(),
            (None, c) => splitter.push(c),
        }
    }
    splitter.end_command();
    splitter.commands
}

#[derive(Default)]
struct Splitter {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
    quote: Option<char>,
    /// The next word is the file of a redirection.
    is_target: bool,
}

impl Splitter {
    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn open(&mut self, quote: char) {
        self.word.get_or_insert_default();
        self.quote = Some(quote);
    }

    fn redirect(&mut self) {
        // `2>` names a stream, and is no word.
        self.word = None;
        self.is_target = true;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let sets_a_variable = self.words.is_empty() && word.split_once('=').is_some_and(|(name, _)| is_variable(name));
        if !std::mem::take(&mut self.is_target) && !sets_a_variable {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The words of a command with example values in place of what a reader has to fill in: `TENANT`, `FILE...`,
/// `[FILTER]`. `value` gives the example for a placeholder; what it does not know becomes the placeholder in small
/// letters.
#[must_use]
pub fn filled(words: &[String], value: fn(&str) -> Option<&'static str>) -> Vec<String> {
    words.iter().filter(|word| !is_optional(word)).map(|word| fill(word.trim_end_matches("..."), value)).collect()
}

fn is_optional(word: &str) -> bool {
    word.starts_with('[') && word.trim_end_matches("...").ends_with(']')
}

fn fill(word: &str, value: fn(&str) -> Option<&'static str>) -> String {
    let is_placeholder = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-|".contains(c));
    if is_placeholder { value(word).map_or_else(|| word.to_lowercase(), str::to_owned) } else { word.to_owned() }
}
