package keys

// questions returns the bindings of the saved questions. Package client/question has
// their texts.
func questions() []Binding {
	const g = "Saved questions"
	return []Binding{
		{Question1, []string{"1"}, "", "denials", "Question: denied decisions by person", g},
		{Question2, []string{"2"}, "", "volume", "Question: downloads by person", g},
		{Question3, []string{"3"}, "", "new addresses", "Question: new addresses of a person", g},
		{Question4, []string{"4"}, "", "sessions", "Question: sessions with their end", g},
		{Question5, []string{"5"}, "", "bulk", "Question: more than 100 files in an hour", g},
		{Question6, []string{"6"}, "", "dangling", "Question: downloads without a reported end", g},
		{Question7, []string{"7"}, "", "night", "Question: events at night", g},
		{Question8, []string{"8"}, "", "changes", "Question: changes of grants and groups", g},
		{Question9, []string{"9"}, "", "readers", "Question: reads by auditors and admins", g},
		{Questions, []string{"0"}, "", "all questions", "List the saved questions", g},
	}
}

// answer returns the bindings of a table about the events.
func answer() []Binding {
	const g = "Answer"
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "show its events", "Show the events of the row", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the log", "", g},
		{GroupBy, []string{"b"}, "", "group by", "Count the events by person, file, address, day…", g},
	}, questions()...)
}

// grouping returns the properties by which events are counted.
func grouping() []Binding {
	const g = "Count by"
	return []Binding{
		{GroupWho, []string{"w"}, "", "who", "Count by person", g},
		{GroupFile, []string{"f"}, "", "file", "Count by file", g},
		{GroupFolder, []string{"d"}, "", "folder", "Count by folder", g},
		{GroupIP, []string{"i"}, "", "ip", "Count by address", g},
		{GroupSession, []string{"s"}, "", "session", "Count by session", g},
		{GroupGrant, []string{"g"}, "", "grant", "Count by grant", g},
		{GroupAgent, []string{"a"}, "", "client", "Count by client program", g},
		{GroupDay, []string{"y"}, "", "day", "Count by day", g},
		{GroupHour, []string{"h"}, "", "hour", "Count by hour", g},
		{Back, []string{"esc"}, "", "cancel", "", g},
	}
}

func audit() []Binding {
	const g = "Log"
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "open", "Open the event", g},
		{Touched, []string{"w"}, "", "who accessed this", "Who accessed this file", g},
		{Person, []string{"p"}, "", "person", "All events of this person", g},
		{OneLogin, []string{"s"}, "", "session", "All events of this session", g},
		{GroupBy, []string{"b"}, "", "group by", "Count the events by person, file, address, day…", g},
		{SaveLog, []string{"e"}, "", "export", "Export the events with their proof", g},
		{Follow, []string{"f"}, "", "follow", "Follow: new events appear at the top", g},
		{Chart, []string{"c"}, "", "chart span", "Chart: 24 hours, 30 days, 52 weeks", g},
		{OwnReads, []string{"o"}, "", "own reads", "Hide or show your own reads of the log", g},
		{Zone, []string{"z"}, "", "UTC or local", "Times in UTC or local", g},
		{CopyPath, []string{"y"}, "", "copy path", "Copy the path", g},
		{OpenProof, []string{"V"}, "", "verify the log", "Verify the log", g},
	}, questions()...)
}

// proof returns the bindings of the verification of the log.
func proof() []Binding {
	const g = "Verification"
	return []Binding{
		{SaveReport, []string{"e"}, "", "save report", "Save this report in a file", g},
		{CompareCopy, []string{"c"}, "", "compare copy", "Compare with a kept checkpoint or export", g},
		{Enter, []string{"enter", "l", "right"}, "enter", "show the event", "Show the event of the finding", g},
		{VerifyAgain, []string{"r"}, "", "verify again", "Verify the log again", g},
	}
}

func event() []Binding {
	const g = "Event"
	return []Binding{
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the log", "", g},
		{Next, []string{"n"}, "", "next", "Next event, older", g},
		{Previous, []string{"N"}, "", "previous", "Previous event, newer", g},
		{Touched, []string{"w"}, "", "who accessed this", "", g},
		{Person, []string{"p"}, "", "person", "All events of this person", g},
		{OneLogin, []string{"s"}, "", "session", "All events of this session", g},
		{Zone, []string{"z"}, "", "UTC or local", "", g},
		{CopyPath, []string{"y"}, "", "copy path", "", g},
	}
}

// access returns the bindings of a list of the access page. Only enter differs.
func access(enter, long string) []Binding {
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", enter, long, "Access"},
	}, asking()...)
}

// requests returns the bindings of the open requests for access, as a list and in full.
func requests() []Binding {
	const g = "Requests"
	return append([]Binding{
		{Enter, []string{"enter", "l", "right"}, "enter", "details", "The request in full", g},
		{Approve, []string{"p"}, "", "approve", "Approve this request, for a time", g},
		{Decline, []string{"d"}, "", "decline", "Decline this request", g},
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", g},
	}, asking()...)
}

func because() []Binding {
	return append([]Binding{
		{Parent, []string{"h", "left", "backspace"}, "h", "back to the list", "", "Access"},
	}, asking()...)
}

// asking returns the bindings that all views of the access page share.
func asking() []Binding {
	const g = "Access"
	return []Binding{
		{CanSee, []string{"m"}, "", "what can they see", "What can this person see", g},
		{Filter, []string{"/"}, "", "find person, path", "Find a person or a path", g},
		{Grants, []string{"a"}, "", "all grants", "All grants", g},
		{OpenRequests, []string{"r"}, "", "requests", "Open requests for access", g},
		{CopyPath, []string{"y"}, "", "copy", "Copy the path or the grant", g},
	}
}
