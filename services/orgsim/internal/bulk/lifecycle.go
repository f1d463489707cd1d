package bulk

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"bulkhead/services/orgsim/internal/sfid"
	"bulkhead/services/orgsim/internal/switches"
)

// tooLargePage is what an edge in front of the org answers to a body that is too large.
const tooLargePage = `<html>
<head><title>413 Request Entity Too Large</title></head>
<body><h1>Request Entity Too Large</h1></body>
</html>
`

// maxInline is the largest CSV that a create may bring with it, in characters (Salesforce: multipart requests).
const maxInline = 100_000

// CreateWithData makes a job, gives it its data and closes it, all in one.
func (m *Manager) CreateWithData(spec Spec, csv string) (CreateInfo, error) {
	if n := utf8.RuneCountInString(csv); n > maxInline {
		return CreateInfo{}, refuse(400, "CLIENTINPUTERROR",
			"ClientInputError : The data of a multipart request has %d characters, more than %d: create the job without data and upload it", n, maxInline)
	}
	j, err := m.create(spec)
	if err != nil {
		return CreateInfo{}, err
	}
	defer j.mu.Unlock()
	// A text in memory neither breaks off nor is longer than itself.
	j.upload, _ = readUpload(strings.NewReader(csv), delimiters[j.Spec.ColumnDelimiter], int64(len(csv)))
	m.queue(j)
	return j.createInfo(), nil
}

// Upload takes the CSV of a job and returns its number of rows. A body that breaks off leaves the job as it was.
func (m *Manager) Upload(id string, body io.Reader) (int, error) {
	j, err := m.find(id)
	if err != nil {
		return 0, err
	}
	if err := m.beginUpload(j); err != nil {
		return 0, err
	}
	limit := m.Settings.Get().MaxUploadBytes
	u, err := readUpload(body, delimiters[j.Spec.ColumnDelimiter], limit/4*3)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploading = false
	switch {
	case errors.Is(err, errTooLarge):
		return 0, m.tooLarge(limit)
	case err != nil:
		return 0, refuse(400, "CLIENTINPUTERROR", "ClientInputError : the request body could not be read: %v", err)
	case j.state != Open || j.gone != "":
		return 0, m.notOpen(j)
	}
	j.upload, j.modified = u, m.Clock.Now()
	m.changed.Broadcast()
	return u.Rows, nil
}

func (m *Manager) beginUpload(j *Job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != Open || j.overdue(m.Clock.Now()) {
		return m.notOpen(j)
	}
	if j.upload != nil || j.uploading {
		// The spelling and the short id in angle brackets are the real ones.
		const text = "Found multipe contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job " + //nolint:misspell // as real orgs write it
			"then create a new Job and make sure you only do 'PUT' once on a given Job."
		return refuse(400, "BULK_API_ERROR", text, j.ID[:sfid.Len15])
	}
	j.uploading = true
	return nil
}

// notOpen refuses an upload to a job that takes none; the caller holds j.mu.
func (m *Manager) notOpen(j *Job) error {
	state := string(j.state)
	if j.state == Open {
		state = "Open for more than 24 hours"
	}
	if m.Switches.Get(switches.UploadNotOpen) == switches.APIError {
		return refuse(400, "API_ERROR", "Uploading data is allowed only on an Open job, not in state %s", state)
	}
	return invalidState("Uploading data is allowed only on an Open job, not in state %s", state)
}

// tooLarge refuses an upload above the limit.
func (m *Manager) tooLarge(limit int64) error {
	const text = "The uploaded data is larger than %d bytes after base64 encoding"
	switch m.Switches.Get(switches.OversizedUpload) {
	case switches.ExceededQuota:
		return refuse(400, "EXCEEDEDQUOTA", "ExceededQuota : "+text, limit)
	case switches.PayloadTooLarge:
		return &Error{Status: 413, HTML: tooLargePage}
	default:
		return refuse(400, "BULK_API_ERROR", text, limit)
	}
}

// Close ends the upload and queues the job.
func (m *Manager) Close(id string) (ShortInfo, error) {
	j, err := m.find(id)
	if err != nil {
		return ShortInfo{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.overdue(m.Clock.Now()):
		return ShortInfo{}, invalidState("The job was Open for more than 24 hours and cannot be closed; abort it")
	case j.state != Open && j.closes > 0 && m.Switches.Get(switches.CloseTwice) == switches.Accepted:
		return j.short(), nil
	case j.state != Open:
		return ShortInfo{}, invalidState("Closing is allowed only for an Open job, not in state %s", j.state)
	case j.uploading:
		return ShortInfo{}, invalidState("The upload of the job is not finished")
	}
	m.queue(j)
	return j.short(), nil
}

// queue moves an Open job to UploadComplete and starts what happens to it from there on; the caller holds j.mu.
func (m *Manager) queue(j *Job) {
	j.set(UploadComplete, m.Clock.Now())
	j.closes++
	m.start(j, func(ctx context.Context) { m.run(ctx, j) })
}

// Abort stops a job that has not ended. Transactions that are under way still finish.
func (m *Manager) Abort(id string) (ShortInfo, error) {
	j, err := m.find(id)
	if err != nil {
		return ShortInfo{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := m.abort(j); err != nil {
		return ShortInfo{}, err
	}
	return j.short(), nil
}

// OtherState refuses a PATCH to a state that nobody may set.
func (m *Manager) OtherState(state string) error {
	if m.Switches.Get(switches.OtherState) == switches.APIError {
		return invalidValue(state, "state")
	}
	return invalidState("A job can be moved to UploadComplete or Aborted, not to '%s'", state)
}

// Delete removes a job that is queued or has ended.
func (m *Manager) Delete(id string) error {
	j, err := m.find(id)
	if err != nil {
		return err
	}
	if err := m.deleteUnless(j, Open, InProgress); err != nil {
		return err
	}
	m.tidy()
	m.changed.Broadcast()
	return nil
}
