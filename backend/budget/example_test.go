package budget_test

import (
	"context"
	"fmt"
	"time"

	"usher/backend/budget"
)

func ExampleRates_Spend() {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rates := budget.NewRates(func() time.Time { return now })
	for rates.Spend("ada", budget.Lists, 1) {
	}
	fmt.Println(rates.Spend("grace", budget.Lists, 1))
	now = now.Add(time.Second)
	fmt.Println(rates.Spend("ada", budget.Lists, 20), rates.Spend("ada", budget.Lists, 1))
	// Output:
	// true
	// true false
}

func ExampleSlots_Take() {
	slots := budget.NewSlots(budget.SlotLimits{Total: 2, Each: []int{1}})
	release, err := slots.Take(context.Background(), "ada")
	fmt.Println(slots.InUse(), err)
	_, err = slots.Take(context.Background(), "ada")
	fmt.Println(err)
	release()
	fmt.Println(slots.InUse())
	// Output:
	// 1 <nil>
	// no slot is free
	// 0
}
