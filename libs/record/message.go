package record

// Message is one message to be published, as an outbox row holds it and a relay publishes it.
type Message struct {
	// Subject is the full NATS subject.
	Subject string
	// MsgID becomes the Nats-Msg-Id header; "" sends none. No argument rests on it.
	MsgID string
	// Headers are further headers; nil means none.
	Headers map[string]string
	Body    []byte
}
