// What a run has to remember is kept small on purpose: whatever follows from the
// seed and a counter is computed again and not stored.

package train

import (
	"github.com/weft-ml/weft/data"
)

// State is where a run stands. Together with the variables it is all that a
// run needs to go on: order and random numbers are functions of the seed and
// of these counters.
type State struct {
	Epoch int `json:"epoch"` // epochs finished
	// Batch is the loader's position: updates done in the epoch under way.
	Batch int `json:"batch"`
	Step  int `json:"step"` // updates done in all

	// LossSum and AccuracySum are over the updates of the epoch under way.
	LossSum     float64 `json:"loss_sum"`
	AccuracySum float64 `json:"accuracy_sum"`

	// Best is the best validation result so far, of epoch BestEpoch; Stale
	// epochs have passed since.
	BestAccuracy float64 `json:"best_accuracy"`
	BestLoss     float64 `json:"best_loss"`
	BestEpoch    int     `json:"best_epoch"` // 0 is none
	Stale        int     `json:"stale"`

	Seconds float64 `json:"seconds"` // spent training, over all sessions
	Done    bool    `json:"done"`
}

// DataInfo identifies the data that a run uses, so that a resumed run is not
// given another set by accident.
type DataInfo struct {
	Name      string `json:"name"`
	Source    string `json:"source"`
	N         int    `json:"n"` // training and validation images
	SHA256    string `json:"sha256"`
	Synthetic bool   `json:"synthetic"`
}

// DataInfoOf describes d; the sum is over images and labels.
func DataInfoOf(d *data.Dataset) DataInfo {
	return DataInfo{Name: d.Name, Source: d.Source, N: d.N, SHA256: sum(d), Synthetic: d.Synthetic}
}
