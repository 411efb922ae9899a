using System.Text.Json;
using System.Text.Json.Serialization;
using Moe.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

/// <summary>A training of a second with everything in it that has a state: noise, dropout, momentum, schedules, selection biases, adaptive λ, patience, a best model.</summary>
internal sealed class SmallTraining
{
    public const int StepsPerEpoch = 4;

    private static readonly JsonSerializerOptions Json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public Func<IEnumerable<Parameter>, optim.Optimizer> Optimizer { get; init; } = parameters => optim.AdamW(parameters, lr: 0.01);

    public int Gates { get; init; } = 1;

    /// <summary>Whether a bias sends every token to expert 0, and there only.</summary>
    public bool Collapsed { get; init; }

    public long HiddenWidth { get; init; } = 8;

    public TrainerOptions Options { get; init; } = new()
    {
        Epochs = 3,
        BatchSize = 3,
        AccumulationSteps = 2,
        Lambda = Schedule.Linear(0.1, 0.01, 10),
        LearningRate = Schedule.Cosine(0.05, 0.001, 10),
        Temperature = Schedule.Exponential(3, 0.3, 10),
        NoiseScale = Schedule.Linear(1, 0.1, 10),
        TopK = Schedule.Linear(3.4, 0.6, 10),
        Balance = new LoadBalance(LoadBalanceOptions.GlobalBatch),
        Terms = [new(new RouterZLoss(), 1e-3), new(new ImportanceLoss(), Schedule.Linear(0.1, 0.2, 10), new SparsityRule(topK: 2))],
        SelectionBalancer = new BiasBalancing(new BiasBalancingOptions { Rate = 0.05 }),
        MaxGradientNorm = 5,
        KeepBest = true,
        EarlyStoppingPatience = 2,
        Metrics = [Metric.Accuracy],
    };

    /// <summary>Trains a new model; a resumed one begins with other parameters and other random states, which the checkpoint must replace.</summary>
    public Outcome Run(CheckpointOptions? checkpoint = null, int seed = 1, int? cancelAfter = null, Action? inEpoch = null)
    {
        manual_seed(seed);
        using var model = Model(seed);
        using var data = new Data();
        using var cancellation = new CancellationTokenSource();
        if (cancelAfter == 0)
            cancellation.Cancel();
        var observer = new Observer
        {
            Step = report =>
            {
                if (report.Step + 1 == cancelAfter)
                    cancellation.Cancel();
            },
            Epoch = inEpoch,
        };
        var trainer = new Trainer(model, Optimizer, TaskLosses.CrossEntropy, Options with { Checkpoint = checkpoint }, observer);
        TrainingResult? result = null;
        try
        {
            result = trainer.Fit(data.Training, data.Validation, cancellation.Token);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
        }
        return new Outcome(result, Parameters(model), observer);
    }

    public RoutedSequential Model(int seed)
    {
        manual_seed(seed);
        var parts = new List<nn.Module<Tensor, Tensor>> { nn.Linear(4, HiddenWidth), nn.Dropout(0.3) };
        for (var layer = 0; layer < Gates; layer++)
        {
            var options = new GatingOptions
            {
                InputWidth = HiddenWidth,
                ExpertCount = 4,
                TopK = Collapsed ? 1 : 2,
                Bias = Collapsed,
                Noise = new LearnedNoise(),
                SelectionBias = true,
            };
            var gate = new GatingNetwork(options, new Generator((ulong)(seed + layer)));
            if (Collapsed)
                Collapse(gate);
            parts.Add(new MixtureOfExperts(gate, StackedExperts.FeedForward(4, new FeedForwardOptions { InputWidth = HiddenWidth, HiddenWidth = 6 })));
        }
        parts.Add(nn.Linear(HiddenWidth, 3));
        return new RoutedSequential([.. parts]);
    }

    private static void Collapse(GatingNetwork gate)
    {
        using var noGrad = no_grad();
        using var first = gate.Bias!.narrow(0, 0, 1);
        first.fill_(50);
    }

    public static Dictionary<string, string> Parameters(nn.Module model)
    {
        using var scope = NewDisposeScope();
        return model.state_dict().ToDictionary(item => item.Key, item => Convert.ToHexString(item.Value.detach().cpu().contiguous().bytes));
    }

    internal sealed record Outcome(TrainingResult? Result, Dictionary<string, string> Parameters, Observer Observer)
    {
        /// <summary>Everything that came of it except times, each number to its last bit.</summary>
        public string Reports => Result is null ? "none" : JsonSerializer.Serialize(
            Result with
            {
                Elapsed = default,
                Epochs = [.. Result.Epochs.Select(epoch => epoch with { Elapsed = default, TokensPerSecond = 0 })],
            },
            Json);

        public void ShouldBe(Outcome expected)
        {
            Result.Should().NotBeNull();
            Reports.Should().Be(expected.Reports);
            Parameters.Should().Equal(expected.Parameters);
        }
    }

    internal sealed class Observer : TrainerCallback
    {
        public Action<StepReport>? Step { get; init; }

        public Action? Epoch { get; init; }

        public List<long> Steps { get; } = [];

        public override void OnStep(StepReport report)
        {
            Steps.Add(report.Step);
            Step?.Invoke(report);
        }

        public override void OnEpoch(EpochReport report) => Epoch?.Invoke();
    }

    /// <summary>23 samples to learn from, so that the last step of an epoch is smaller, and 10 to be judged on.</summary>
    internal sealed class Data : IDisposable
    {
        private readonly Tensor[] _tensors;

        public Data()
        {
            using var generator = new Generator(77UL);
            Tensor Inputs(long samples) => randn([samples, 4], generator: generator).DetachFromDisposeScope();
            Tensor Classes(long samples) => randint(0, 3, [samples], dtype: ScalarType.Int64, generator: generator).DetachFromDisposeScope();
            _tensors = [Inputs(23), Classes(23), Inputs(10), Classes(10)];
        }

        public TrainingData Training => new(_tensors[0], _tensors[1]);

        public TrainingData Validation => new(_tensors[2], _tensors[3]);

        public void Dispose()
        {
            foreach (var tensor in _tensors)
                tensor.Dispose();
        }
    }
}
