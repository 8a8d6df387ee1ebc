//! Which conversations are shown: the newest, and those that need attention, as many as fit.

use super::attention::needs_attention;
use crate::store::ConversationRow;

/// The conversations to show, and how many are left out.
pub(super) struct ShownConversations<'a> {
    pub(super) rows: Vec<&'a ConversationRow>,
    pub(super) left_out: usize,
}

impl<'a> ShownConversations<'a> {
    /// All of them, or at most `most`: up to half of those need attention, the others are the newest. `rows` are in
    /// order, newest first, and so are the selected ones.
    pub(super) fn of(rows: &'a [ConversationRow], most: Option<usize>) -> Self {
        let Some(most) = most.filter(|most| *most < rows.len()) else {
            return Self { rows: rows.iter().collect(), left_out: 0 };
        };
        let urgent = rows.iter().filter(|row| needs_attention(row)).count().min(most / 2);
        let (mut urgent_left, mut others_left) = (urgent, most - urgent);
        let mut selected = Vec::with_capacity(most);
        for row in rows {
            let room =
                if urgent_left > 0 && needs_attention(row) { &mut urgent_left } else { &mut others_left };
            if *room > 0 {
                *room -= 1;
                selected.push(row);
            }
        }
        let left_out = rows.len() - selected.len();
        Self { rows: selected, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ids::ConversationId;
    use crate::core::timeline::gap::Timeline;

    fn rows(failing: &[i64], count: i64) -> Vec<ConversationRow> {
        let row = |id: i64| ConversationRow {
            id: ConversationId(id),
            account: "me".to_owned(),
            conversation_id: None,
            thread: None,
            profile_url: None,
            name: None,
            unread: None,
            served_total: None,
            synced_ms: None,
            last_error: failing.contains(&id).then(|| "no".to_owned()),
            of_export: false,
            timeline: Timeline::default(),
        };
        (0..count).map(row).collect()
    }

    fn selected(failing: &[i64], count: i64, most: Option<usize>) -> (Vec<i64>, usize) {
        let rows = rows(failing, count);
        let selection = ShownConversations::of(&rows, most);
        (selection.rows.iter().map(|row| row.id.0).collect(), selection.left_out)
    }

    #[test]
    fn the_newest_and_what_needs_attention_are_shown() {
        assert_eq!(selected(&[], 100, Some(4)), (vec![0, 1, 2, 3], 96));
        assert_eq!(selected(&[50, 99], 100, Some(4)), (vec![0, 1, 50, 99], 96));
        assert_eq!(selected(&[1, 50, 99], 100, Some(4)), (vec![0, 1, 2, 50], 96));
        assert_eq!(selected(&[50], 100, Some(1)), (vec![0], 99));
    }

    #[test]
    fn nothing_is_left_out_where_all_fit_or_are_wanted() {
        assert_eq!(selected(&[1], 3, Some(3)), (vec![0, 1, 2], 0));
        assert_eq!(selected(&[1], 3, None), (vec![0, 1, 2], 0));
    }
}
