// Command mandelbrot counts points of the set with floats.
package main

import "fmt"

func main() {
	const n = 120
	inside := 0
	for y := range n {
		for x := range n {
			cr, ci := 3*float64(x)/n-2, 2*float64(y)/n-1
			var zr, zi float64
			i := 0
			for ; i < 100 && zr*zr+zi*zi < 4; i++ {
				zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
			}
			if i == 100 {
				inside++
			}
		}
	}
	fmt.Println(inside)
}
