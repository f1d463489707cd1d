package settings_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/settings"
)

func TestSettingsChangeWholeOrNotAtAll(t *testing.T) {
	st, err := settings.NewStore(settings.Default())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("named members change, the others stay", func(t *testing.T) {
		got, err := st.Merge([]byte(`{"queue_delay":"1m30s","shuffle_results":false}`))
		if err != nil || time.Duration(got.QueueDelay) != 90*time.Second || got.ShuffleResults || got.BatchRows != 10_000 || st.Get() != got {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	for _, bad := range []string{
		`{"queue_delay":"-1s"}`, `{"rows_per_second":-1}`, `{"parallel_batches":0}`, `{"transaction_rows":0}`, `{"batch_rows":10001}`, `{"daily_api_limit":-1}`,
		`{"daily_batch_limit":-1}`, `{"max_upload_bytes":0}`, `{"token_ttl":"0s"}`, `{"lock_wait":"-1s"}`, `{"nope":1}`, `nonsense`,
	} {
		t.Run("refuses "+bad, func(t *testing.T) {
			before := st.Get()
			if _, err := st.Merge([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "settings: ") {
				t.Errorf("got %v", err)
			}
			if st.Get() != before {
				t.Error("something changed")
			}
		})
	}
	t.Run("a reset returns to the beginning", func(t *testing.T) {
		st.Reset()
		if st.Get() != settings.Default() {
			t.Errorf("got %+v", st.Get())
		}
	})
}
