// The page samples chunks on WebGPU.
import { runCases } from './run_cases.mjs';

runCases('webgpu');
