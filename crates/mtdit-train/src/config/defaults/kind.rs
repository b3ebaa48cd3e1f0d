//! The kinds of values, and how each is read from text or from a file.

use serde_json::{Number as JsonNumber, Value};

use self::Kind::{
    Anything, Count, Counts, Integer, Nullable, Number, Numbers, Object, OneOf, Pair, Switch, Text, Texts,
};
use crate::config::flags::literal;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// True or false.
    Switch,
    /// A whole number that is not negative.
    Count,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text, taken as it stands.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of counts.
    Counts,
    /// Two counts: height and width.
    Pair,
    /// Two numbers.
    Numbers,
    /// A list of texts.
    Texts,
    /// A map.
    Object,
    /// A whole subtree that has no rows of its own.
    Anything,
    /// Null, or what the field says.
    Nullable(&'static Self),
}

impl Kind {
    /// The value that a text on the command line stands for, or nothing if it is of another kind.
    pub(crate) fn read(self, text: &str) -> Option<Value> {
        match self {
            Nullable(_) if matches!(text, "null" | "None" | "~") => Some(Value::Null),
            Nullable(kind) => kind.read(text),
            Switch => match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Text | OneOf(_) => self.accept(Value::from(unquoted(text))),
            Anything => Some(literal(text).unwrap_or_else(|| Value::from(text))),
            _ => self.accept(literal(text)?),
        }
    }

    /// The value as this kind holds it, or nothing if it is of another kind.
    pub(crate) fn accept(self, value: Value) -> Option<Value> {
        match (self, value) {
            (Anything, value) => Some(value),
            (Nullable(_), Value::Null) => Some(Value::Null),
            (Nullable(kind), value) => kind.accept(value),
            (Switch, value @ Value::Bool(_)) => Some(value),
            (Count, Value::Number(number)) => whole(&number).filter(|number| *number >= 0).map(Value::from),
            (Integer, Value::Number(number)) => whole(&number).map(Value::from),
            (Number, Value::Number(number)) => number.as_f64().map(Value::from),
            (Text, value @ Value::String(_)) => Some(value),
            (OneOf(words), Value::String(word)) => words.contains(&word.as_str()).then_some(Value::String(word)),
            (Counts, Value::Array(items)) => each(Count, items),
            (Pair, Value::Array(items)) if items.len() == 2 => each(Count, items),
            (Numbers, Value::Array(items)) if items.len() == 2 => each(Number, items),
            (Texts, Value::Array(items)) => each(Text, items),
            (Object, value @ Value::Object(_)) => Some(value),
            _ => None,
        }
    }

    /// What to write, for an error message.
    pub(crate) fn expected(self) -> String {
        match self {
            Switch => "true or false".to_owned(),
            Count => "a whole number from 0 up".to_owned(),
            Integer => "a whole number".to_owned(),
            Number => "a number".to_owned(),
            Text => "text".to_owned(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            Counts => "a list of whole numbers such as [0,1,2]".to_owned(),
            Pair => "two whole numbers such as (224,224)".to_owned(),
            Numbers => "two numbers such as (0.95,0.999)".to_owned(),
            Texts => "a list such as [one,two]".to_owned(),
            Object => "a map such as {\"one\": \"two\"}".to_owned(),
            Anything => "any value".to_owned(),
            Nullable(kind) => format!("{}, or null", kind.expected()),
        }
    }
}

fn each(kind: Kind, items: Vec<Value>) -> Option<Value> {
    let items: Option<Vec<Value>> = items.into_iter().map(|item| kind.accept(item)).collect();
    items.map(Value::Array)
}

/// A number without a fraction; `1e5` counts.
fn whole(number: &JsonNumber) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        let exact = float.abs() < 9e15 && float.fract().abs() <= 0.0;
        exact.then(|| format!("{float:.0}").parse().ok()).flatten()
    })
}

/// A text without the quotes that a shell may have left around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_by_kind() {
        assert_eq!(Count.read("1e5"), Some(json!(100_000)));
        assert_eq!(Count.read("100_000"), Some(json!(100_000)));
        assert_eq!(Count.read("-1"), None);
        assert_eq!(Count.read("2.5"), None);
        assert_eq!(Integer.read("-1"), Some(json!(-1)));
        assert_eq!(Number.read("3"), Some(json!(3.0)));
        assert_eq!(Number.read("nan"), None);
        assert_eq!(Text.read("1e5"), Some(json!("1e5")));
        assert_eq!(Text.read("'null'"), Some(json!("null")));
        assert_eq!(Nullable(&Text).read("null"), Some(json!(null)));
        assert_eq!(Switch.read("True"), Some(json!(true)));
        assert_eq!(Pair.read("(224, 224)"), Some(json!([224, 224])));
        assert_eq!(Pair.read("[224]"), None);
        assert_eq!(Numbers.read("[0.9, 1]"), Some(json!([0.9, 1.0])));
        assert_eq!(Texts.read("[a, b]"), Some(json!(["a", "b"])));
        assert_eq!(OneOf(&["f32"]).read("f16"), None);
        assert_eq!(Object.read("{STATE: MIN_MAX}"), Some(json!({"STATE": "MIN_MAX"})));
    }
}
