using System.Text.Json;

namespace Moe.Training;

/// <summary>Where a training stands, apart from tensors: place, running sums, history, and the settings it must agree with.</summary>
internal sealed class TrainingProgress
{
    private static readonly JsonSerializerOptions Json = new()
    {
        RespectNullableAnnotations = true,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new RoutingReportConverter() },
    };

    /// <summary>The epoch under way.</summary>
    public int Epoch { get; set; }

    /// <summary>Steps done in it.</summary>
    public long StepInEpoch { get; set; }

    /// <summary>Steps done in all.</summary>
    public long Step { get; set; }

    /// <summary>What the epoch under way has added up so far.</summary>
    public EpochSums Sums { get; set; } = new();

    /// <summary>What the rules have made of λ, by the name of the term.</summary>
    public Dictionary<string, double> Factors { get; set; } = [];

    /// <summary>What the alarm has added up since it last judged.</summary>
    public AlarmWindow Window { get; set; } = new();

    /// <summary>What the alarm has made of λ of the balance.</summary>
    public double RaisedLambda { get; set; } = 1;

    /// <summary>The alert that ended the training.</summary>
    public CollapseAlert? StoppedBy { get; set; }

    public List<EpochReport> History { get; set; } = [];

    public int? BestEpoch { get; set; }

    public double? BestValue { get; set; }

    public bool StoppedEarly { get; set; }

    public double ElapsedSeconds { get; set; }

    /// <summary>What decides which batch comes when; it must not change between runs.</summary>
    public Dictionary<string, string> Settings { get; set; } = [];

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <exception cref="InvalidDataException">The text is not what <see cref="ToJson"/> writes.</exception>
    public static TrainingProgress FromJson(string path, string json)
    {
        try
        {
            var progress = JsonSerializer.Deserialize<TrainingProgress>(json, Json) ?? throw new JsonException("It is null.");
            if (progress.Epoch < 0 || progress.StepInEpoch < 0 || progress.Step < progress.StepInEpoch || progress.History.Count != progress.Epoch)
                throw new JsonException($"It contradicts itself: epoch {progress.Epoch}, step {progress.StepInEpoch} of it, step {progress.Step}, {progress.History.Count} reports.");
            if (progress.Factors.FirstOrDefault(factor => !(factor.Value >= 0) || !double.IsFinite(factor.Value)) is { Key: { } name, Value: var value })
                throw new JsonException($"The factor on λ of {name} ({value}) must be 0 or more, and finite.");
            if (!(progress.RaisedLambda > 0) || !double.IsFinite(progress.RaisedLambda))
                throw new JsonException($"The alarm's factor on λ ({progress.RaisedLambda}) must be positive and finite.");
            if (progress.Window.Steps < 0 || !progress.Window.Routing.Keys.ToHashSet().SetEquals(progress.Window.Health.Keys))
                throw new JsonException($"The alarm's window of {progress.Window.Steps} steps has counts and health of different mixtures.");
            return progress;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"{path} does not say where a training stands: {exception.Message}", exception);
        }
    }
}
