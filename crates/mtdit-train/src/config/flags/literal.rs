//! Values as people write them: JSON, Python tuples, inline YAML.

use serde_json::{Map, Value};

/// Reads a value written as JSON, as a Python tuple, or as an inline YAML list or map.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value()?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Value> {
        if self.eat('[') {
            self.list(']')
        } else if self.eat('(') {
            self.list(')')
        } else if self.eat('{') {
            self.map()
        } else if self.rest.trim_start().starts_with(['"', '\'']) {
            self.quoted().map(Value::String)
        } else {
            self.word(&[',', ']', ')', '}']).map(scalar)
        }
    }

    fn list(&mut self, close: char) -> Option<Value> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value()?);
            if !self.eat(',') {
                return self.eat(close).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn map(&mut self) -> Option<Value> {
        let mut fields = Map::new();
        while !self.eat('}') {
            let quoted = self.rest.trim_start().starts_with(['"', '\'']);
            let key = if quoted { self.quoted()? } else { self.word(&[':', ',', '}'])?.to_owned() };
            if !self.eat(':') {
                return None;
            }
            let value = self.value()?;
            fields.insert(key, value);
            if !self.eat(',') {
                return self.eat('}').then_some(Value::Object(fields));
            }
        }
        Some(Value::Object(fields))
    }

    fn eat(&mut self, symbol: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A text between quotes; the double ones may escape as in JSON.
    fn quoted(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        let quote = text.chars().next()?;
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, letter)| {
            let ends = *letter == quote && !escaped;
            escaped = *letter == '\\' && quote == '"' && !escaped;
            ends
        })?;
        let (inside, rest) = text.split_at(end.0 + 1);
        self.rest = rest;
        if quote == '"' { serde_json::from_str(inside).ok() } else { Some(inside[1..inside.len() - 1].to_owned()) }
    }

    /// A word without quotes, up to one of these symbols.
    fn word(&mut self, stops: &[char]) -> Option<&'a str> {
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word.trim()).filter(|word| !word.is_empty())
    }
}

fn scalar(word: &str) -> Value {
    let digits = word.replace('_', "");
    let numeric = digits.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    match word {
        "null" | "Null" | "None" | "~" => Value::Null,
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        _ if !numeric => Value::from(word),
        _ => match (digits.parse::<i64>(), digits.parse::<f64>()) {
            (Ok(whole), _) => Value::from(whole),
            (_, Ok(float)) if float.is_finite() => Value::from(float),
            _ => Value::from(word),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_json_python_or_yaml() {
        let cases = [
            ("[1, 2.5, true]", json!([1, 2.5, true])),
            ("(224,)", json!([224])),
            ("[]", json!([])),
            ("{a: b, 'c': [1], \"d\": {e: None}}", json!({"a": "b", "c": [1], "d": {"e": null}})),
            (r#"["say \"no\"", it's]"#, json!(["say \"no\"", "it's"])),
            ("1_000", json!(1000)),
            ("2026-11-20", json!("2026-11-20")),
            ("C:\\data", json!("C:\\data")),
        ];
        for (text, expected) in cases {
            assert_eq!(literal(text), Some(expected), "{text}");
        }
        for text in ["", "[1", "1,2", "{a}", "[1] 2", "\"open"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}
