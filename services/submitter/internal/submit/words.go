package submit

var actionWords = [...]string{
	"claim", "take_lane", "check", "create", "save_created", "upload", "save_uploaded", "adopt", "save_doubted", "bind", "announce", "close", "look",
	"save_refused", "abort", "save_submitted", "save_sent", "call", "save_answer", "save_void", "save_rest", "park", "stop",
}

// String is the action's word, as logs and metrics write it.
func (a Action) String() string {
	if int(a) < len(actionWords) {
		return actionWords[a]
	}
	return "unknown"
}

var kindWords = [...]string{
	"broken", "claimed", "done", "fenced", "waiting", "too_old", "covered", "unsure", "refused", "no_effect", "more", "seen_open", "seen_past", "seen_nothing",
}

// String is the kind's word, as logs and metrics write it.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return "unknown"
}
