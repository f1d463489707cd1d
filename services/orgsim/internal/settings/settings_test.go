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
		`{"daily_batch_limit":-1}`, `{"daily_row_limit":-1}`, `{"batch_time":"0s"}`, `{"max_upload_bytes":0}`, `{"token_ttl":"0s"}`, `{"lock_wait":"-1s"}`, `{"gone_job_bytes":-1}`, `{"nope":1}`, `nonsense`,
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

func TestTheDefaultsAreThoseOfSalesforce(t *testing.T) {
	d := settings.Default()
	t.Run("an upload has 150 MB after base64", func(t *testing.T) {
		if d.MaxUploadBytes != 150_000_000 {
			t.Errorf("got %d", d.MaxUploadBytes)
		}
	})
	t.Run("24 hours have 150,000,000 rows and 15,000 batches", func(t *testing.T) {
		if d.DailyRowLimit != 150_000_000 || d.DailyBatchLimit != 15_000 {
			t.Errorf("got %d rows, %d batches", d.DailyRowLimit, d.DailyBatchLimit)
		}
	})
	t.Run("a batch has 10,000 rows, a transaction 200, and 5 minutes", func(t *testing.T) {
		if d.BatchRows != 10_000 || d.TransactionRows != 200 || time.Duration(d.BatchTime) != 5*time.Minute {
			t.Errorf("got %d rows, %d rows, %v", d.BatchRows, d.TransactionRows, time.Duration(d.BatchTime))
		}
	})
	t.Run("hardDelete is off", func(t *testing.T) {
		if d.HardDelete {
			t.Error("it is on")
		}
	})
}
