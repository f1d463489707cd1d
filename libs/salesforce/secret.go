package salesforce

import "log/slog"

const redacted = "[redacted]"

// secret holds a text that must never be printed. It keeps the text in a closure, because fmt ignores String methods of
// unexported fields and would print a plain string inside %+v of the struct around it.
type secret struct{ reveal func() string }

func newSecret(s string) secret { return secret{reveal: func() string { return s }} }

// value is the text itself, for the one place that puts it on the wire.
func (s secret) value() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String and the methods below make every usual way of printing show [redacted].
func (s secret) String() string               { return redacted }
func (s secret) GoString() string             { return redacted }
func (s secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
