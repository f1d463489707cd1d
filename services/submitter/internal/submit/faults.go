package submit

// Fault points around what leaves this process. Those around commits carry the name of the move: submitter.take_lane,
// submitter.save_checked, submitter.save_created, submitter.save_uploaded, submitter.bind, submitter.save_refused,
// submitter.save_submitted, submitter.save_sent, submitter.save_answer, submitter.save_void, submitter.save_rest, submitter.hand_back_lane, submitter.forget, submitter.adopt,
// submitter.save_doubted and submitter.end, each with .before_commit and .after_commit.
const (
	pointClaimed        = "submitter.claim.after_commit"
	pointBeforeResolve  = "submitter.resolve.before_call"
	pointAfterResolve   = "submitter.resolve.after_call"
	pointBeforeCreate   = "submitter.create.before_call"
	pointAfterCreate    = "submitter.create.after_call"
	pointBeforeUpload   = "submitter.upload.before_call"
	pointUpload25       = "submitter.upload.at_25_percent"
	pointUpload50       = "submitter.upload.at_50_percent"
	pointUpload99       = "submitter.upload.at_99_percent"
	pointAfterUpload    = "submitter.upload.after_call"
	pointBeforeAnnounce = "submitter.announce.before_publish"
	pointAfterAnnounce  = "submitter.announce.after_publish"
	pointBeforeClose    = "submitter.close.before_call"
	pointAfterClose     = "submitter.close.after_call"
	pointBeforeLook     = "submitter.look.before_call"
	pointAfterLook      = "submitter.look.after_call"
	pointBeforeAbort    = "submitter.abort.before_call"
	pointAfterAbort     = "submitter.abort.after_call"
	pointBeforeCall     = "submitter.collect.before_call"
	pointAfterCall      = "submitter.collect.after_call"
	pointBeforeOrphan   = "submitter.orphan.before_abort"
	pointAfterOrphan    = "submitter.orphan.after_abort"
)
