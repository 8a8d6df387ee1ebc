//! Which conversations are shown: the newest, and those that need attention, as many as fit.

use crate::store::ConversationRow;
use crate::view::status::needs_attention;

/// All of them, or at most `most`: up to half of those need attention, the others are the newest. `rows` are in order,
/// newest first, and so are the selected ones: all that there are, or the `most` newest and all that need attention,
/// which comes to the same.
pub(super) fn shown(rows: &[ConversationRow], most: Option<usize>) -> Vec<&ConversationRow> {
    let most = most.unwrap_or(usize::MAX).min(rows.len());
    let urgent = rows.iter().filter(|row| needs_attention(row)).count();
    let mut urgent_left = if most < rows.len() { urgent.min(most / 2) } else { urgent };
    let mut others_left = most - urgent_left;
    let mut fits = |row: &&ConversationRow| {
        let room = if urgent_left > 0 && needs_attention(row) { &mut urgent_left } else { &mut others_left };
        *room > 0 && {
            *room -= 1;
            true
        }
    };
    rows.iter().filter(|row| fits(row)).collect()
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
            asked: true,
            in_inbox: false,
            timeline: Timeline::default(),
        };
        (0..count).map(row).collect()
    }

    fn selected(failing: &[i64], count: i64, most: Option<usize>) -> Vec<i64> {
        shown(&rows(failing, count), most).iter().map(|row| row.id.0).collect()
    }

    #[test]
    fn the_newest_and_what_needs_attention_are_shown() {
        assert_eq!(selected(&[], 100, Some(4)), vec![0, 1, 2, 3]);
        assert_eq!(selected(&[50, 99], 100, Some(4)), vec![0, 1, 50, 99]);
        assert_eq!(selected(&[1, 50, 99], 100, Some(4)), vec![0, 1, 2, 50]);
        assert_eq!(selected(&[50], 100, Some(1)), vec![0]);
    }

    #[test]
    fn nothing_is_left_out_where_all_fit_or_are_wanted() {
        assert_eq!(selected(&[1], 3, Some(3)), vec![0, 1, 2]);
        assert_eq!(selected(&[1], 3, None), vec![0, 1, 2]);
    }
}
