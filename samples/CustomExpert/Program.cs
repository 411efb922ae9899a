// Experts of your own. A ball is dropped from five metres and bounces. Until it first touches the ground, a rule that everybody knows is
// exactly right; afterwards it is hopeless. Beside it sit a small network of our own and experts from the library, and the gate has to
// find out from noisy measurements whom to ask when.
//
//     dotnet run -c Release --project samples/CustomExpert

using System.CommandLine;
using Moe.Core;
using Moe.Training;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

const int Measurements = 100;
const double Seconds = 3.5, Noise = 0.3;

var epochs = new Option<int>("--epochs") { Description = "How often the measurements are gone through.", DefaultValueFactory = _ => 600 };
var seed = new Option<int>("--seed") { Description = "Decides measurements and first weights.", DefaultValueFactory = _ => 1 };
var command = new RootCommand("Trains a mixture of a rule, a network of our own, and built-in experts on a bouncing ball.") { epochs, seed };
command.SetAction(parsed => Run(parsed.GetValue(epochs), parsed.GetValue(seed)));
return command.Parse(args).Invoke();

static int Run(int epochs, int seed)
{
    if (epochs < 1)
    {
        Console.Error.WriteLine($"Error: --epochs ({epochs}) must be at least 1.");
        return 2;
    }
    using var scope = NewDisposeScope();
    set_num_threads(1); // Tensors this small are not worth sharing.
    manual_seed(seed);
    var times = rand(Measurements, 1) * Seconds;
    var measured = new TrainingData(times, Ball.Height(times) + randn(Measurements, 1) * Noise);

    using var with = Mixture(new FreeFall());
    using var without = Mixture(SmallNetwork());
    Train(with, measured, epochs, seed);
    Train(without, measured, epochs, seed);

    Console.WriteLine($"How far off, in metres (root mean square), after {Measurements} measurements with {Noise:0.00} m of noise:\n");
    Console.WriteLine("                          with the rule   without");
    foreach (var (label, from, to) in new[] { ("before the first bounce", 0, Ball.Impact), ("after it", Ball.Impact, Seconds), ("all in all", 0, Seconds) })
        Console.WriteLine($"{label,-25} {Error(with, from, to),13:0.000} {Error(without, from, to),9:0.000}");

    Console.WriteLine("\nWho answers when: the gate's weight in %\n");
    string[] names = ["free fall (rule)", "waves (our network)", "feed-forward", "linear", "constant"];
    var slots = Enumerable.Range(0, 7).Select(slot => (From: slot * Seconds / 7, To: (slot + 1) * Seconds / 7)).ToArray();
    Console.WriteLine($"{"seconds",-20}{string.Concat(slots.Select(slot => $"{slot.From,6:0.0}"))}");
    foreach (var (name, expert) in names.Select((name, expert) => (name, expert)))
        Console.WriteLine($"{name,-20}{string.Concat(slots.Select(slot => $"{100 * Weights(with, slot.From, slot.To)[expert],6:0}"))}");
    return 0;
}

// Any IExpert can sit in a mixture: modules learn along, rules are left as they are, and the gate learns about both.
static MixtureOfExperts Mixture(IExpert first)
{
    IExpert[] experts = [first, new Waves(16), SmallNetwork(), new LinearExpert(1, 1), new ConstantExpert(1, zeros(1))];
    return new MixtureOfExperts(new GatingNetwork(new GatingOptions { InputWidth = 1, ExpertCount = experts.Length, TopK = experts.Length, Bias = true }), experts);
}

static FeedForwardExpert SmallNetwork() => new(new FeedForwardOptions { InputWidth = 1, HiddenWidth = 16, OutputWidth = 1, Activation = Activation.Tanh });

static void Train(MixtureOfExperts model, TrainingData data, int epochs, int seed)
{
    var steps = epochs * 3;
    var options = new TrainerOptions
    {
        Epochs = epochs,
        BatchSize = 50,
        Seed = seed,
        Lambda = 0, // A rule that is right here and wrong there must not be given its fair share.
        LearningRate = Schedule.Cosine(0.03, 0.0001, steps),
        Temperature = Schedule.Exponential(1, 0.03, steps), // Everybody answers at first, fewer and fewer later.
    };
    new Trainer(model, parameters => optim.Adam(parameters), TaskLosses.MeanSquaredError, options).Fit(data);
    model.eval();
}

static double Error(MixtureOfExperts model, double from, double to)
{
    using var scope = NewDisposeScope();
    using var noGrad = no_grad();
    var times = linspace(from, to, 500).unsqueeze(1);
    return Math.Sqrt((model.call(times) - Ball.Height(times)).square().mean().item<float>());
}

static float[] Weights(MixtureOfExperts model, double from, double to)
{
    using var scope = NewDisposeScope();
    using var noGrad = no_grad();
    return model.ForwardWithRouting(linspace(from, to, 50).unsqueeze(1)).Routing.Weights.mean([0]).data<float>().ToArray();
}

/// <summary>A rule: h = h₀ - g·t²/2, and never below the ground. It is not a torch module, needs no gradient, and could as well ask a database.</summary>
internal sealed class FreeFall : IExpert
{
    public long InputWidth => 1;
    public long OutputWidth => 1;

    public Tensor forward(Tensor input) => (Ball.Start - Ball.Gravity / 2 * input.square()).clamp_min(0);
}

/// <summary>A network of our own: a sum of sine waves, a·sin(w·t + b). Being a module, it is registered, trained, moved and saved with the layer.</summary>
internal sealed class Waves : nn.Module<Tensor, Tensor>, IExpert
{
    public Waves(int count)
        : base(nameof(Waves))
    {
        Frequencies = nn.Linear(1, count);
        Amplitudes = nn.Linear(count, 1);
        using (no_grad())
            Frequencies.weight!.mul_(6);
        RegisterComponents();
    }

    public long InputWidth => 1;
    public long OutputWidth => 1;

    [field: ComponentName(Name = "frequencies")] private Linear Frequencies { get; }

    [field: ComponentName(Name = "amplitudes")] private Linear Amplitudes { get; }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Amplitudes.call(Frequencies.call(input).sin()));
    }
}

/// <summary>The truth: free fall, then bounces, each with 80 % of the speed of the one before.</summary>
internal static class Ball
{
    public const double Start = 5, Gravity = 9.81, Bounce = 0.8;

    public static double Impact { get; } = Math.Sqrt(2 * Start / Gravity);

    public static Tensor Height(Tensor times) => tensor(Array.ConvertAll(times.data<float>().ToArray(), time => (float)Height(time))).reshape(times.shape);

    private static double Height(double time)
    {
        if (time < Impact)
            return Start - Gravity / 2 * time * time;
        var (since, speed) = (time - Impact, Bounce * Gravity * Impact);
        for (; since > 2 * speed / Gravity; speed *= Bounce)
            since -= 2 * speed / Gravity;
        return speed * since - Gravity / 2 * since * since;
    }
}
