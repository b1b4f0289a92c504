//! The pattern language of FAST_REGEX_LOG_PARSE.
//!
//! Tight to loose: `? * + {n} {n,} {n,m}`, sequence, intersection `&`, union `|`. Atoms: `[…]`, `[^…]`, `.` any
//! character, `#` no text at all, `@` any text, `"…"` literal, `()` the empty text, `(…)` a group, `<Name>` a class,
//! `<n-m>` a number in a range, `\c` a character.

/// Most copies that a repetition may ask for.
const MAX_COPIES: u32 = 1_000;
/// Most characters that a pattern may stand for, each copy of a repetition counted.
const MAX_SIZE: usize = 1_000;
/// How deep groups and repetitions may nest.
const MAX_DEPTH: usize = 64;
const LAST: u32 = char::MAX as u32;

/// A pattern as a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// `#`: matches no text.
    Nothing,
    /// One character of these ranges of code points, both ends inclusive, sorted and apart.
    Class(Vec<(u32, u32)>),
    /// One after the other; none is the empty text.
    Sequence(Vec<Pattern>),
    Union(Vec<Pattern>),
    Intersection(Vec<Pattern>),
    Repeat {
        pattern: Box<Pattern>,
        least: u32,
        most: Option<u32>,
    },
    /// What stands in parentheses.
    Group(Box<Pattern>),
}

impl Pattern {
    /// The parts of a sequence.
    pub(super) fn into_factors(self) -> Vec<Pattern> {
        match self {
            Pattern::Sequence(parts) => parts,
            other => vec![other],
        }
    }

    /// The number of characters that every text of the pattern has.
    pub(super) fn fixed_length(&self) -> Option<usize> {
        match self {
            Pattern::Nothing => None,
            Pattern::Class(_) => Some(1),
            Pattern::Sequence(parts) => parts.iter().map(Pattern::fixed_length).sum(),
            Pattern::Union(parts) => {
                let first = parts.first()?.fixed_length()?;
                parts.iter().all(|part| part.fixed_length() == Some(first)).then_some(first)
            }
            Pattern::Intersection(parts) => parts.iter().find_map(Pattern::fixed_length),
            Pattern::Repeat { pattern, least, most } if Some(*least) == *most => {
                Some(pattern.fixed_length()? * usize::try_from(*least).ok()?)
            }
            Pattern::Repeat { .. } => None,
            Pattern::Group(inside) => inside.fixed_length(),
        }
    }

    /// How many classes of characters there are, each copy of a repetition counted.
    fn size(&self) -> usize {
        match self {
            Pattern::Nothing | Pattern::Class(_) => 1,
            Pattern::Sequence(parts) | Pattern::Union(parts) | Pattern::Intersection(parts) => {
                parts.iter().map(Pattern::size).fold(0, usize::saturating_add)
            }
            Pattern::Repeat { pattern, least, most } => {
                let copies = usize::try_from(most.unwrap_or(*least).max(1)).unwrap_or(usize::MAX);
                pattern.size().max(1).saturating_mul(copies)
            }
            Pattern::Group(inside) => inside.size(),
        }
    }

    /// The pattern as parts, with the copies that a repetition must have, and whose length is fixed, first: `x+` is `x`
    /// and `x*`.
    pub(super) fn fixed_copies_first(self) -> Vec<Pattern> {
        match self {
            Pattern::Repeat { pattern, least, most }
                if Some(least) != most && least > 0 && pattern.fixed_length().is_some() =>
            {
                let must = Pattern::Repeat { pattern: pattern.clone(), least, most: Some(least) };
                let may = Pattern::Repeat { pattern, least: 0, most: most.map(|most| most - least) };
                vec![must, may]
            }
            Pattern::Group(inside) => {
                inside.into_factors().into_iter().flat_map(Pattern::fixed_copies_first).collect()
            }
            other => vec![other],
        }
    }
}

/// Reads a pattern.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Pattern, String> {
    let mut parser = Parser { characters: text.chars().collect(), next: 0, depth: 0 };
    let pattern = parser.union()?;
    match parser.peek() {
        None if pattern.size() > MAX_SIZE => {
            Err(format!("the pattern stands for more than {MAX_SIZE} characters: shorten its repetitions"))
        }
        None => Ok(pattern),
        Some(character) => Err(format!("'{character}' does not belong where it stands in the pattern")),
    }
}

struct Parser {
    characters: Vec<char>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.next).copied()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.next += 1;
        Some(character)
    }

    fn accept(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        self.next += usize::from(found);
        found
    }

    /// The characters up to `end`, which is passed over.
    fn until(&mut self, end: char) -> Result<String, String> {
        let mut content = String::new();
        loop {
            match self.take() {
                Some(character) if character == end => return Ok(content),
                Some(character) => content.push(character),
                None => return Err(format!("the pattern lacks a closing {end}")),
            }
        }
    }

    fn union(&mut self) -> Result<Pattern, String> {
        self.list('|', Self::intersection, Pattern::Union)
    }

    fn intersection(&mut self) -> Result<Pattern, String> {
        self.list('&', Self::sequence, Pattern::Intersection)
    }

    fn list(
        &mut self,
        separator: char,
        part: fn(&mut Self) -> Result<Pattern, String>,
        whole: fn(Vec<Pattern>) -> Pattern,
    ) -> Result<Pattern, String> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.accept(separator) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { whole(parts) })
    }

    fn sequence(&mut self) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        while let Some(character) = self.peek() {
            if matches!(character, '|' | '&' | ')') {
                break;
            }
            parts.push(self.repeated()?);
        }
        if parts.is_empty() {
            return Err("a part of the pattern is empty: write () for the empty text".to_owned());
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Pattern::Sequence(parts) })
    }

    fn repeated(&mut self) -> Result<Pattern, String> {
        let mut pattern = self.atom()?;
        for _ in 0..MAX_DEPTH {
            let (least, most) = match self.peek() {
                Some('?') => (0, Some(1)),
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('{') => {
                    self.next += 1;
                    let content = self.until('}')?;
                    let (least, most) = copies(&content)?;
                    pattern = Pattern::Repeat { pattern: Box::new(pattern), least, most };
                    continue;
                }
                _ => return Ok(pattern),
            };
            self.next += 1;
            pattern = Pattern::Repeat { pattern: Box::new(pattern), least, most };
        }
        Err(format!("more than {MAX_DEPTH} repetitions stand behind each other"))
    }

    fn atom(&mut self) -> Result<Pattern, String> {
        let Some(character) = self.take() else { return Err("the pattern ends too early".to_owned()) };
        match character {
            '.' => Ok(Pattern::Class(vec![(0, LAST)])),
            '#' => Ok(Pattern::Nothing),
            '@' => {
                let any = Box::new(Pattern::Class(vec![(0, LAST)]));
                Ok(Pattern::Repeat { pattern: any, least: 0, most: None })
            }
            '"' => Ok(Pattern::Sequence(self.until('"')?.chars().map(single).collect())),
            '\\' => self.take().map(single).ok_or_else(|| "nothing follows the backslash".to_owned()),
            '[' => self.class(),
            '<' => {
                let name = self.until('>')?;
                named(&name)
            }
            '(' => {
                // `()` is the empty text; as a group of its own it gives an empty column.
                if self.accept(')') {
                    return Ok(Pattern::Group(Box::new(Pattern::Sequence(Vec::new()))));
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("groups nest more than {MAX_DEPTH} deep"));
                }
                let inside = self.union()?;
                self.depth -= 1;
                if !self.accept(')') {
                    return Err("the pattern lacks a closing )".to_owned());
                }
                Ok(Pattern::Group(Box::new(inside)))
            }
            '*' | '+' | '?' | '{' => Err(format!("nothing stands before '{character}'")),
            literal => Ok(single(literal)),
        }
    }

    fn class(&mut self) -> Result<Pattern, String> {
        let negated = self.accept('^');
        let mut ranges = Vec::new();
        loop {
            let low = match self.take() {
                Some(']') if !ranges.is_empty() => break,
                Some('\\') => self.take(),
                other => other,
            };
            let Some(low) = low else { return Err("the pattern lacks a closing ]".to_owned()) };
            let mut high = low;
            let ends_class = self.characters.get(self.next + 1) == Some(&']');
            if self.peek() == Some('-') && !ends_class {
                self.next += 1;
                self.accept('\\');
                let end = self.take();
                high = end.ok_or_else(|| "the pattern lacks a closing ]".to_owned())?;
            }
            if high < low {
                return Err(format!("the range {low}-{high} is the wrong way round"));
            }
            ranges.push((low as u32, high as u32));
        }
        let ranges = normalized(ranges);
        Ok(Pattern::Class(if negated { complement(&ranges) } else { ranges }))
    }
}

fn single(character: char) -> Pattern {
    Pattern::Class(vec![(character as u32, character as u32)])
}

/// Sorted, and apart from each other.
fn normalized(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (low, high) in ranges {
        match joined.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => joined.push((low, high)),
        }
    }
    joined
}

fn complement(ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut left = Vec::new();
    let mut next = 0;
    for (low, high) in ranges {
        if *low > next {
            left.push((next, low - 1));
        }
        next = high + 1;
    }
    if next <= LAST {
        left.push((next, LAST));
    }
    left
}

/// `n`, `n,` or `n,m` between braces.
fn copies(content: &str) -> Result<(u32, Option<u32>), String> {
    let number = |text: &str| match text.trim().parse::<u32>() {
        Ok(number) if number <= MAX_COPIES => Ok(number),
        _ => Err(format!("{{{content}}} takes numbers from 0 to {MAX_COPIES}")),
    };
    match content.split_once(',') {
        None => number(content).map(|count| (count, Some(count))),
        Some((least, most)) if most.trim().is_empty() => Ok((number(least)?, None)),
        Some((least, most)) => {
            let (least, most) = (number(least)?, number(most)?);
            if most < least {
                return Err(format!("{{{content}}} is the wrong way round"));
            }
            Ok((least, Some(most)))
        }
    }
}

/// `<Name>` or `<n-m>`.
fn named(name: &str) -> Result<Pattern, String> {
    const CLASSES: [(&str, &[(u32, u32)]); 13] = [
        ("Digit", &[(0x30, 0x39)]),
        ("Upper", &[(0x41, 0x5a)]),
        ("Lower", &[(0x61, 0x7a)]),
        ("ASCII", &[(0, 0x7f)]),
        ("Alpha", &[(0x41, 0x5a), (0x61, 0x7a)]),
        ("Alnum", &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)]),
        ("Punct", &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)]),
        ("Blank", &[(0x09, 0x09), (0x20, 0x20)]),
        ("Space", &[(0x09, 0x0d), (0x20, 0x20)]),
        ("Cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
        ("XDigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
        ("Print", &[(0x21, 0x7e)]),
        ("Graph", &[(0x21, 0x7e)]),
    ];
    if let Some((_, ranges)) = CLASSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(Pattern::Class(ranges.to_vec()));
    }
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((low, high)) = name.split_once('-')
        && digits(low)
        && digits(high)
    {
        return number_range(low, high);
    }
    let known: Vec<&str> = CLASSES.iter().map(|(known, _)| *known).collect();
    Err(format!("there is no class <{name}>: there are {}, and <n-m> for numbers", known.join(", ")))
}

/// Numbers from `low` to `high`: of that many digits when both are written with as many, else with any zeros in front.
fn number_range(low: &str, high: &str) -> Result<Pattern, String> {
    let parse = |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
    let (least, most) = (parse(low)?, parse(high)?);
    if most < least {
        return Err(format!("<{low}-{high}> is the wrong way round"));
    }
    if low.len() == high.len() {
        return Ok(same_width(&digits_of(least, low.len()), &digits_of(most, low.len())));
    }
    let mut widths = Vec::new();
    for width in 1..=high.len() {
        let first = if width == 1 { 0 } else { 10_u64.pow(u32::try_from(width - 1).unwrap_or(0)) };
        let last = 10_u64.pow(u32::try_from(width).unwrap_or(0)) - 1;
        let (first, last) = (first.max(least), last.min(most));
        if first <= last {
            widths.push(same_width(&digits_of(first, width), &digits_of(last, width)));
        }
    }
    let zeros = Pattern::Repeat { pattern: Box::new(single('0')), least: 0, most: None };
    Ok(Pattern::Sequence(vec![zeros, Pattern::Union(widths)]))
}

fn digits_of(number: u64, width: usize) -> Vec<u32> {
    let text = format!("{number:0width$}");
    text.bytes().map(u32::from).collect()
}

/// The texts of digits between two of one width.
fn same_width(low: &[u32], high: &[u32]) -> Pattern {
    let any = |count: usize| std::iter::repeat_n(Pattern::Class(vec![(0x30, 0x39)]), count);
    let (Some((first_low, rest_low)), Some((first_high, rest_high))) =
        (low.split_first(), high.split_first())
    else {
        return Pattern::Sequence(Vec::new());
    };
    let exactly =
        |digit: u32, rest: Pattern| Pattern::Sequence(vec![Pattern::Class(vec![(digit, digit)]), rest]);
    if first_low == first_high {
        return exactly(*first_low, same_width(rest_low, rest_high));
    }
    let mut parts = vec![exactly(*first_low, same_width(rest_low, &vec![0x39; rest_low.len()]))];
    if first_high - first_low > 1 {
        let mut middle = vec![Pattern::Class(vec![(first_low + 1, first_high - 1)])];
        middle.extend(any(rest_low.len()));
        parts.push(Pattern::Sequence(middle));
    }
    parts.push(exactly(*first_high, same_width(&vec![0x30; rest_high.len()], rest_high)));
    Pattern::Union(parts)
}
