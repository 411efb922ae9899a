// The program of a user of the packages. The tests build it outside of the repository and read what it prints.
// It learns y = |x| from three experts: the identity, a rule that negates, and a small network.
using System.Globalization;
using Moe.Core;
using Moe.Training;
using static TorchSharp.torch;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
manual_seed(7);

using var gate = new GatingNetwork(new GatingOptions { InputWidth = 1, ExpertCount = 3, TopK = 2 });
using var model = new MixtureOfExperts(
    gate, [new IdentityExpert(1), new DelegateExpert(1, 1, rows => -rows), new LinearExpert(1, 1)]);

using var x = linspace(-1, 1, 200).unsqueeze(1);
using var y = x.abs();
var data = new TrainingData(x, y);

var trainer = new Trainer(
    model,
    parameters => optim.Adam(parameters, lr: 0.05),
    TaskLosses.MeanSquaredError,
    new TrainerOptions { Epochs = 30, BatchSize = 20, Seed = 7 });
var before = trainer.Evaluate(data).TaskLoss;
var result = trainer.Fit(data);
var after = trainer.Evaluate(data).TaskLoss;

Console.WriteLine($"{result.Steps} steps");
Console.WriteLine(after < before / 10 ? "learned" : $"not learned: {before} to {after}");
