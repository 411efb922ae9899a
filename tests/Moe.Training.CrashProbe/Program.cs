using System.Globalization;
using System.Security.Cryptography;
using Moe.Core;
using Moe.Training;
using static TorchSharp.torch;

// Trains the same mixture on the same data each time it is started, goes on from the checkpoint named in the first argument, and writes
// one after each step. Prints "step N" after each step, and at the end "sha256" with that of all parameters.
const int Width = 192;
var path = args[0];
var epochs = int.Parse(args[1], CultureInfo.InvariantCulture);

manual_seed(1);
var gate = new GatingNetwork(new GatingOptions { InputWidth = Width, ExpertCount = 4, Noise = new LearnedNoise() }, new Generator(2UL));
var experts = StackedExperts.FeedForward(4, new FeedForwardOptions { InputWidth = Width, HiddenWidth = Width });
using var model = new RoutedSequential(nn.Linear(8, Width), nn.Dropout(0.1), new MixtureOfExperts(gate, experts), nn.Linear(Width, 3));

using var random = new Generator(3UL);
using var inputs = randn([64, 8], generator: random);
using var targets = randint(0, 3, [64], dtype: ScalarType.Int64, generator: random);

var options = new TrainerOptions
{
    Epochs = epochs,
    BatchSize = 8,
    LearningRate = Schedule.Linear(1e-2, 1e-3, 8 * epochs),
    KeepBest = true,
    Checkpoint = new CheckpointOptions { Path = path, EverySteps = 1 },
};
var data = new TrainingData(inputs, targets);
var trainer = new Trainer(model, parameters => optim.AdamW(parameters), TaskLosses.CrossEntropy, options, new StepPrinter());
trainer.Fit(data, data);

using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
foreach (var (_, parameter) in model.named_parameters())
    hash.AppendData(parameter.bytes);
Console.WriteLine($"sha256 {Convert.ToHexStringLower(hash.GetHashAndReset())}");

internal sealed class StepPrinter : TrainerCallback
{
    // Printed before the checkpoint of the step is written: who reads this and kills at once, kills in the midst of writing.
    public override void OnStep(StepReport report) => Console.WriteLine($"step {report.Step}");
}
