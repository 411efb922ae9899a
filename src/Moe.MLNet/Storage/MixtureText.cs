using Moe.Classical;

namespace Moe.MLNet;

/// <summary>A fitted mixture with its columns as one text, which ML.NET's models can carry.</summary>
internal static class MixtureText
{
    private const string StateKind = "mlnet-mixture";

    /// <exception cref="NotSupportedException">The mixture holds an expert that cannot be stored.</exception>
    public static string Write(MixtureTransformer mixture)
    {
        if (mixture.Expert is not IStoredExpert expert)
            throw new NotSupportedException($"The mixture cannot be saved: {mixture.Expert.GetType().Name} is no IStoredExpert.");
        using var state = new ExpertState(StateKind)
            .Set("label", mixture.Kind).Set("texts", mixture.Names.Texts).Set("numbers", mixture.Names.Numbers)
            .Set("featureColumn", mixture.FeatureColumn).Set("gateColumn", mixture.GateColumn)
            .Add("expert", expert.ToState());
        using var stream = new MemoryStream();
        ExpertFile.Write(stream, state);
        return Convert.ToBase64String(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <exception cref="InvalidDataException">The text is damaged.</exception>
    /// <exception cref="ArgumentException">It holds something else, or an expert of a kind that is not known.</exception>
    public static MixtureTransformer Read(ReadOnlySpan<char> text)
    {
        MLNetStorage.Register();
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64Chars(text, bytes, out var length))
            throw new InvalidDataException("The text of the stored mixture is damaged.");
        using var stream = new MemoryStream(bytes, 0, length);
        using var state = ExpertFile.Read(stream);
        if (state.Kind != StateKind)
            throw new ArgumentException($"Expected a state of kind \"{StateKind}\", got \"{state.Kind}\".", nameof(text));
        return new MixtureTransformer(
            StoredExperts.Read(state.Child("expert")), state.Get<LabelKind>("label"),
            new ClassNames(state.Get<string[]?>("texts"), state.Get<float[]?>("numbers")),
            state.Get<string>("featureColumn"), state.Get<string?>("gateColumn"));
    }
}
