import SimulatedWorld
import Testing
