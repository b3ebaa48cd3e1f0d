//! Sentences and tasks.

use std::collections::BTreeMap;

use mtdit_tabletop::{Family, Task};

#[test]
fn there_are_38_tasks_of_eight_families() {
    assert_eq!(Task::all().len(), 38);
    for family in Family::ALL {
        assert!(Task::of(family).iter().all(|task| task.family() == family));
        assert_eq!(family.name().parse(), Ok(family));
    }
    assert!("juggle".parse::<Family>().is_err());
}

#[test]
fn every_phrasing_asks_for_its_task() {
    for task in Task::all() {
        let (phrasings, held_out) = (task.phrasings(), task.held_out_phrasings());
        assert!(phrasings.len() >= 4 && held_out.len() >= 2);
        assert_eq!(phrasings[0], task.instruction());
        for phrasing in phrasings.into_iter().chain(held_out) {
            assert_eq!(Task::parse(&phrasing), Some(task), "{phrasing}");
            let shouted = format!("  {} !", phrasing.to_uppercase().replace(' ', "   "));
            assert_eq!(Task::parse(&shouted), Some(task), "{shouted}");
        }
    }
}

#[test]
fn no_sentence_is_used_twice() {
    let mut seen: BTreeMap<String, Task> = BTreeMap::new();
    for task in Task::all() {
        for phrasing in task.phrasings().into_iter().chain(task.held_out_phrasings()) {
            let words = phrasing.replace(',', "");
            assert_eq!(seen.insert(words, task), None, "{phrasing}");
        }
    }
}

#[test]
fn other_sentences_ask_for_nothing() {
    for sentence in ["", " ", "pick up the orange puck and hold it", "press the red button, then the red button", "äöü"]
    {
        assert_eq!(Task::parse(sentence), None, "{sentence}");
    }
}
