package courier

import "github.com/nats-io/nats.go/jetstream"

// Codes of nats-server, as it answers the same requests.
const (
	codeConsumerCreate = 10012
	codeNoRoom         = 10023 // the server's storage, not the stream's bound
	codeBadConfig      = 10052
	codeDeleteFailed   = 10057
	codeOverlap        = 10065
	codeStoreFailed    = 10077
	codeNoBatches      = 10174
	codeLargeBatch     = 10199
	codeRepeatInBatch  = 10201
)

func refusal(status int, code jetstream.ErrorCode, text string) error {
	return &jetstream.APIError{Code: status, ErrorCode: code, Description: text}
}

// Refusals of messages.
var (
	errFullStream = refusal(503, codeStoreFailed, "maximum bytes exceeded")
	errFullDisk   = refusal(503, codeNoRoom, "insufficient resources")
	errNoBatches  = refusal(400, codeNoBatches, "atomic publish is disabled")
	errRepeat     = refusal(400, codeRepeatInBatch, "atomic publish batch contains duplicate message id")
)
