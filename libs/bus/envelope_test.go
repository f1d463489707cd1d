package bus_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/libs/bus"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// FuzzParseEnvelope: whatever stands on the FLOW stream (a publisher's reply subject can put something there) is refused or is a fact.
func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"stream":"RECORDS_contacts","seq":1}`))
	f.Add([]byte("0000\x1a\b0000000 Z\x00")) // a pipeline with a blank in its name
	f.Add(bus.FlowMessage(bus.NewEnvelope("contacts", 1, &flowv1.JobBound{})).Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := bus.ParseEnvelope(body)
		if (err == nil) != (e != nil) {
			t.Fatalf("%v and %v", e, err)
		}
		if err != nil {
			return
		}
		if bus.FactOf(e) == "" || e.GetPipeline() == "" {
			t.Fatalf("%v is a fact of nothing", e)
		}
		if again, err := bus.ParseEnvelope(bus.FlowMessage(e).Body); err != nil || !proto.Equal(again, e) {
			t.Fatalf("%v is read back as %v, %v", e, again, err)
		}
	})
}

// FuzzTraceparent: a header is a W3C trace context as it is, or none.
func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x")
	f.Fuzz(func(t *testing.T, text string) {
		if got := bus.Traceparent(header("traceparent", text)); got != "" && (got != text || len(got) < 55 || len(got) > 128) {
			t.Fatalf("%q gives %q", text, got)
		}
	})
}
