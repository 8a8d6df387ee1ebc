//! Dialogues in English.

use super::{Language, a, b};

pub(crate) static ENGLISH: Language = Language {
    openings: &[
        &[
            a("Hi {b}, thanks for connecting! I enjoyed your talk about {project}."),
            b("Thank you, {a}! Which part was most useful to you?"),
            a("The one about moving old records. We have the same problem here."),
            b("Then we should compare notes some time.").hours_later(),
            a("Gladly. I'll write when our pilot is done."),
        ],
        &[
            a(
                "Hello {b}, a colleague of mine says you have been running {project} since the start. Is that right?",
            ),
            b("Hello {a}! Yes, from the first day. What would you like to know?").hours_later(),
            a("How you keep the quarterly report short. Ours has forty pages."),
            b("One page per team, and everything else goes into an appendix that nobody prints."),
            a("I'll steal that. Thank you!"),
        ],
        &[
            a("Hi {b}, I came across your profile while looking for people who know archives well."),
            b("Hi {a}, thanks for writing. What is it about?").hours_later(),
            a("We are setting up a small team around {project}. Would a short chat be all right?"),
            b("Sure, a chat is always all right."),
        ],
    ],
    dialogues: &[
        &[
            a("As promised, here is our proposal for {project}.").with_file("proposal.pdf"),
            b("Thanks, {a}. I'll go through it with the team."),
            a("Did you have a chance to look at it?").days_later(),
            b("Yes. We like it, but the second phase starts too early for us."),
            a("No problem, we can move it by a month. Shall I send a new version?"),
            b("Please do. Then we can sign this week.").hours_later(),
        ],
        &[
            b("Do you have half an hour for a call this week?"),
            a("How about {day}?"),
            b("{day} at {time}, then?"),
            a("Perfect. I'll send the invitation."),
            a("Sorry, I have to move our call. Same time next week?").days_later(),
            b("Same time next week is fine."),
        ],
        &[
            a("A question about invoice {n}: it has our old address. Can you correct it?"),
            b("Of course, sorry about that. Which address should it have?"),
            a("12 Sample Street, second floor. The rest is right."),
            b("Here is the corrected one. Please ignore the first.").hours_later().with_file("invoice.pdf"),
            a("Got it. Payment goes out on {day}."),
        ],
        &[
            a("I saw that you are looking for somebody for the data team. Is the position still open?"),
            b("It is! Do you know somebody?"),
            a("Myself, actually. I'd like a change after six years."),
            b("That's good news. Send me your CV and I'll pass it on."),
            a("Here it is. Thank you for helping!").hours_later().with_file("cv.pdf"),
            b("They were impressed. You'll get an invitation for {day}.").days_later(),
            a("Just got it. Wish me luck!"),
        ],
        &[
            a("May I introduce you to a former colleague who is building something like {project}?"),
            b("Please do. What is it about?"),
            a("An honest opinion on the pricing, nothing more. Twenty minutes at most."),
            b("Happy to. Just pass on my address.").hours_later(),
            a("Thanks, I will."),
            a("I hear that your call was a great help. I owe you a coffee.").days_later(),
        ],
        &[
            a("Could I name you as a reference? It's for a post at a public archive."),
            b("Certainly. What should I say about you?"),
            a("That I finished {project} on time, if you still remember."),
            b("On time and under budget. I'll put it exactly like that."),
            a("They offered me the job! Your words helped a lot.").days_later(),
            b("You earned it. Congratulations!"),
        ],
        &[
            b("Are you going to the conference in Bristol?"),
            a("Yes, from Wednesday on. Are you speaking?"),
            b("Only on a panel, on {day} at {time}. Come and ask a difficult question."),
            a("I'll bring two. Coffee afterwards?"),
            b("At the café by the river. See you there! 👍"),
            a("Good panel today. Let me know when the slides are online.").days_later(),
        ],
        &[
            a("Attached is the draft of the contract. Clause 4 is new.").with_file("contract-draft.pdf"),
            b("Thanks. Who asked for clause 4?"),
            a("Our legal department. It limits the liability on both sides."),
            b("That's fair. Two small remarks are in the margin.")
                .hours_later()
                .with_file("contract-remarks.pdf"),
            a("Both accepted. Can we have the signed contract by {day}?"),
            b("The signed contract is in the post, and here is a scan.")
                .days_later()
                .with_file("contract-signed.pdf"),
        ],
        &[
            a("Would you read my CV before I send it anywhere?"),
            b("With pleasure. Send it over."),
            a("Here it is. Be honest!").with_file("cv.pdf"),
            b("Strong experience, but two pages too long. Drop everything before 2012.").hours_later(),
            a("Even the award?"),
            b("Keep the award. One line."),
            a("Down to two pages now. Much better, thank you."),
        ],
        &[
            b("The report for {project} is due on Thursday, but the figures on page {n} look odd."),
            a("Let me check. Which table?"),
            b("The second one. The total is less than its parts."),
            a("You are right, a row was counted twice. I'll fix it today."),
            a("The corrected report is in the shared folder.").hours_later(),
            b("Now it adds up. Thanks for the quick fix."),
        ],
        &[
            a("I'm in your city on {day}. Do you have time for lunch?"),
            b("What a nice surprise! Lunch is difficult, but {time} would work."),
            a("Even better. Where?"),
            b("There is a small place opposite our office, second door on the left."),
            a("Found it. See you {day}."),
            a("It was good to see you again. Next time you visit us!").days_later(),
        ],
        &[
            b("Congratulations on the new role! Well deserved."),
            a("Thank you! I'm still learning everybody's names."),
            b("How big is the team?"),
            a("Eleven people in three offices. More than I'm used to."),
            b("You'll be fine. Call me if you ever want to talk about it."),
            a("I'll take you up on that."),
        ],
        &[
            a("Do you know a good supplier for scanners? Ours stops making them."),
            b("We have been using the same one for years. Shall I ask for a contact?"),
            a("That would be great. We need about forty."),
            b("Done. Somebody will write to you before {day}.").hours_later(),
            a("They made a very fair offer. Thank you for asking!").days_later(),
        ],
        &[
            a("I'm on leave for two weeks from {day}. Who should write to whom in between?"),
            b("To me, for everything about {project}. Is anything urgent?"),
            a("Only the licence. It runs out at the end of the month."),
            b("I'll renew it. Enjoy the holidays!"),
            a("I'm back. Anything I should know?").days_later(),
            b("The licence is renewed, and nothing burned down."),
        ],
        &[
            b("Can you send me the agenda for the workshop? I'd like to prepare."),
            a("Here is what we have so far.\n\n\
                 We start on {day} at {time} with a round of introductions. After that, every team has ten minutes to show where it \
                 stands, which problems it has met and what it needs from the others. Please bring figures rather than slides.\n\n\
                 The afternoon belongs to the question that we left open last time: who looks after the old records once {project} has \
                 ended? We have three suggestions on the table, and I would like to leave the room with one decision.\n\n\
                 If there is anything that you would rather discuss in a small circle first, tell me before the end of the week and I \
                 will make room for it.\n\nBest regards,\n{a}"),
            b("Very clear, thank you. I'd take ten minutes more for the figures.").hours_later(),
            a("Agreed, we'll shorten the introductions."),
        ],
        &[
            a("Is the recording of your webinar public?"),
            b("Yes: https://example.org/webinars/{n}?lang=en"),
            a("Thanks! May I share it with my team?"),
            b("Of course. The slides are on the same page."),
            a("They asked for a second part. You have fans here.").days_later(),
            b("Ha! Tell them: in spring."),
        ],
    ],
    days: &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    projects: &["Lighthouse", "Harbour", "Maple", "Compass"],
    titles: &["Budget 2026", "Lighthouse steering group"],
    edited: "(edited)",
};
