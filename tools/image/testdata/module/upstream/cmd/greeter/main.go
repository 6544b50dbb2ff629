package main

func main() { println("greetings") }
