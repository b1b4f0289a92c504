//! Text from outside, cut to a bounded size and freed of what does not show.

/// The first `limit` characters of `text`, with an ellipsis when it was longer. Control characters other than line
/// breaks become spaces, and those that turn the direction of writing go: a text must not rearrange its surroundings.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut characters = text.chars().filter(|character| !turns_direction(*character));
    for character in characters.by_ref().take(limit) {
        let is_hidden = character.is_control() && character != '\n';
        shown.push(if is_hidden { ' ' } else { character });
    }
    if characters.next().is_some() {
        shown.truncate(shown.trim_end().len());
        shown.push('…');
    }
    shown
}

/// The bidirectional overrides, embeddings and isolates of Unicode.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(excerpt("short", 5), "short");
        assert_eq!(excerpt("ünïcödé text", 8), "ünïcödé…");
        assert_eq!(excerpt(&"x".repeat(1 << 20), 3), "xxx…");
    }

    #[test]
    fn hidden_characters_do_nothing() {
        assert_eq!(excerpt("a\r\nb\0c\u{202E}d", 20), "a \nb cd");
    }
}
